"""Task 1: the server pool."""

from collections.abc import Iterator

import pytest

from labkit.errors import NotRunning
from labkit.lab import Lab
from labkit.measure.counters import sockets
from labkit.services.faults import Faults
from labkit.services.http_server import PAGES, BackendPool

from .helpers import LabFactory, eventually, pids


@pytest.fixture(autouse=True)
def no_server_is_left(lab: Lab) -> Iterator[None]:
    """Every test leaves the lab without a server."""
    yield
    lab.run("pkill -9 -f http.server", check=False)
    eventually(lambda: not pids(lab, "http.server"), "the end of the servers")


def test_both_answer_with_their_own_page(lab: Lab) -> None:
    """1.1 to 1.4: two folders in ~, their exact pages, ports 8081 and 8082, asked with curl; `sockets` shows who listens.

    The page is the learner's file: an edit shows at once. A server's log has its own requests, the pool's log all. One can be
    switched off and on; the other one goes on.
    """
    with BackendPool(lab) as pool:
        table = sockets(lab).set_index("port")
        for port, name in ((8081, "backend1"), (8082, "backend2")):
            assert (lab.home / name / "index.html").read_text() == PAGES[name] + "\n"
            assert lab.run(f"curl -s http://127.0.0.1:{port}").stdout == PAGES[name] + "\n"
            row = table.loc[port]
            assert (row["protocol"], row["pid"]) == ("tcp", pool[name].pid)
            assert row["command"].endswith(f"http.server {port} -d /root/{name}")
        (lab.home / "backend1" / "index.html").write_text("mine\n")
        assert lab.run("curl -s http://127.0.0.1:8081").stdout == "mine\n"
        lab.run("curl -s http://127.0.0.1:8081/one; curl -s http://127.0.0.1:8082/two")
        eventually(lambda: "/one" in pool["backend1"].log and "/two" in pool["backend2"].log, "both requests")
        assert "/two" not in pool["backend1"].log and "/one" in pool.log and "/two" in pool.log
        pid = pool["backend2"].pid
        pool["backend1"].stop()
        assert (pool["backend1"].alive, pool["backend2"].alive) == (False, True)
        assert lab.run("curl -s http://127.0.0.1:8081", check=False).code == 7
        pool["backend1"].restart()
        assert lab.run("curl -s http://127.0.0.1:8081").stdout == "mine\n" and pool["backend2"].pid == pid
    assert pids(lab, "http.server") == [] and len(sockets(lab)) == 0
    assert list(sockets(lab).columns) == ["protocol", "address", "port", "program", "pid", "command"]
    (lab.home / "backend1" / "index.html").unlink()


def test_shown_commands_do_the_same(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands that are shown, typed by hand, give the same servers, and stop them."""
    with BackendPool(lab):
        pass
    shown = [line[2:] for line in capsys.readouterr().out.splitlines() if line.startswith("$ ")]
    start = [command for command in shown if command.endswith("&")]
    stop = [command for command in shown if command.startswith("pkill")]
    assert (len(start), len(stop)) == (2, 2)
    lab.run("\n".join(start))
    eventually(lambda: "Server 2" in lab.run("curl -s http://127.0.0.1:8082", check=False).stdout, "backend2")
    lab.run("\n".join(stop))
    eventually(lambda: not pids(lab, "http.server"), "the end of both")


def test_pool_on_other_addresses(lab: Lab) -> None:
    """Backends may listen on one port of several addresses."""
    with BackendPool.at(lab, "127.0.0.2:8090", "127.0.0.3:8090", "127.0.0.4:8090"):
        answers = [lab.run(f"curl -s http://127.0.0.{last}:8090").stdout for last in (2, 3, 4)]
        assert [f"Backend Server {n}" in answer for n, answer in enumerate(answers, 1)] == [True] * 3
        assert lab.run("curl -s http://127.0.0.1:8090", check=False).code == 7


# Ways to start backend1 that are not the helper's.
OTHER_WAYS = {
    "in its folder": "cd ~/backend1 && python3 -m http.server 8081 &",
    "bound": "python3 -m http.server --bind 127.0.0.1 --directory ~/backend1 8081 &",
    "as the helper does": "python3 -m http.server 8081 -d ~/backend1 &",
}


@pytest.mark.parametrize("command", OTHER_WAYS.values(), ids=OTHER_WAYS)
def test_what_somebody_else_has_started_is_taken(lab: Lab, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """A server that a learner has started is shown, stopped, started again as it was, broken and healed."""
    with BackendPool(lab):
        pass
    with pytest.raises(NotRunning, match=r"port 8081 \(backend1\) and port 8082 \(backend2\)"):
        BackendPool.running(lab)
    lab.run(f"{command}\npython3 -m http.server 8082 -d ~/backend2 &")
    eventually(lambda: {8081, 8082} <= set(sockets(lab)["port"]), "both servers")
    pool, first = BackendPool.running(lab), sockets(lab)
    assert [server.pid for server in pool] == first.sort_values("port")["pid"].tolist()
    pool.start()
    assert capsys.readouterr().out.count("already runs") == 2
    pool["backend1"].restart()
    assert first["command"].tolist() == sockets(lab)["command"].tolist()
    faults = Faults(pool)
    faults.slow("backend1", ms=1)
    faults.freeze("backend1")
    assert faults.state == {"backend1": "frozen", "backend2": "well"}
    faults.stop("backend1")
    assert lab.run("curl -s http://127.0.0.1:8081", check=False).code == 7
    faults.heal("backend1")
    assert lab.run("curl -s http://127.0.0.1:8081").stdout == PAGES["backend1"] + "\n"


@pytest.mark.parametrize("task", [1, 4])
def test_page_that_is_there_is_nobodys_to_overwrite(own_lab: LabFactory, task: int) -> None:
    """A page of one's own stays; a lab of another task serves its own, outside the work, where there is none of its own."""
    lab = own_lab("host", task=task)
    lab.write("~/backend1/index.html", "mine")
    with BackendPool(lab):
        found = lab.run("curl -s http://127.0.0.1:8081").stdout
    assert (lab.home / "backend1" / "index.html").read_text() == "mine"
    assert found == ("mine" if task == 1 else PAGES["backend1"] + "\n")
    assert (lab.home / "backend2").exists() == (task == 1)
