"""The pool."""

from matplotlib.patches import FancyArrowPatch

from labkit.show import Backend, topology

from .samples import drawn, texts

UP = Backend("backend1", "127.0.0.1:8081", alive=True, requests=90)
DEAD = Backend("backend2", "127.0.0.1:8082", alive=False, requests=10, note="backup")


def widths(picture) -> list[float]:
    """The widths of the arrows, in the order in which they were drawn."""
    return [arrow.get_linewidth() for arrow in picture.figure.findobj(FancyArrowPatch)]


def test_it_says_who_is_up_and_how_much_went_where() -> None:
    """The alt text has every backend's state and count, and the way there."""
    alt = topology("client", "nginx\n127.0.0.1:8888", [UP, DEAD]).alt
    assert "client → nginx 127.0.0.1:8888 → the pool" in alt
    assert "backend1 is up and got 90 requests; backend2 is dead and got 10 requests." in alt


def test_the_dead_are_crossed_out_and_said_to_be_dead() -> None:
    """Two strokes and a word for the dead backend, none for the one that is up."""
    picture = topology("client", "nginx", [UP, DEAD])
    assert len(drawn(picture, "dead")) == 2
    assert {"up", "× dead", "backup"} <= set(texts(picture))
    assert drawn(topology("client", "nginx", [UP]), "dead") == []


def test_one_with_a_fault_is_alive_and_says_its_fault() -> None:
    """A frozen backend is not crossed out; its outline is broken, and picture and alt text name the fault."""
    frozen = Backend("backend2", "127.0.0.1:8082", alive=True, requests=10, fault="frozen")
    picture = topology("client", "nginx", [UP, frozen])
    assert drawn(picture, "dead") == [] and len(drawn(picture, "fault")) == 1
    assert {"up", "× frozen"} <= set(texts(picture))
    assert "backend2 is frozen and got 10 requests" in picture.alt


def test_arrows_are_as_wide_as_their_share() -> None:
    """All requests go to the balancer, 90 to one backend, 10 to the other."""
    total, first, second = widths(topology("client", "nginx", [UP, DEAD]))
    assert total > first > second


def test_without_a_balancer_the_client_asks_by_itself() -> None:
    """There is one arrow for each backend, and none in between."""
    picture = topology("client", None, [UP, DEAD])
    assert len(widths(picture)) == 2
    assert "client → the pool" in picture.alt


def test_what_was_not_counted_is_not_numbered() -> None:
    """With requests=None there is no count, in the picture or in words."""
    picture = topology("client", "nginx", [Backend("backend1", "127.0.0.1:8081", alive=True)])
    assert picture.alt.endswith("backend1 is up.")
    assert not any(text.isdigit() for text in texts(picture))
