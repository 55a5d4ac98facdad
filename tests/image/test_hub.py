"""A real hub: learners in browsers of their own work at the same time, hand in, and a teacher collects and grades."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from labkit.errors import wait_until
from tests.lab.jupyter import MINUTES, Learner, choose, chromium
from tests.lab.test_release import NATIVE, points_in

from .engine import Engine
from .hub import TEACHER, Hub, install

LEARNERS = ("ada", "boris", "chen")
PASSWORD = "of-this-test-0nly"
IDLE = 30  # seconds
FIRST_UID = 20_000  # binder/hub/jupyterhub_config.py


@pytest.fixture(scope="module")
def place(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder for a hub, and where its programs are."""
    return tmp_path_factory.mktemp("hub"), install(engine.folder / "hub")


@contextmanager
def running(engine: Engine, place: tuple[Path, dict[str, str]], **settings: str) -> Iterator[Hub]:
    """A hub on which whoever signs up may come in; one after another may have the same data."""
    hub = Hub(engine, *place, COURSE_SIGNUP="open", **settings)
    try:
        yield hub
    finally:
        hub.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with chromium() as browser:
        yield browser


def enter(page: Page, hub: Hub, name: str, way: str) -> None:
    """By `signup`, or by `login`, which lets the server begin to start."""
    page.set_default_timeout(2 * MINUTES)
    page.goto(f"{hub.address}/hub/{way}")
    page.locator("#username_input").fill(name)
    page.locator("#password_input").fill(PASSWORD)
    if way == "signup":
        page.locator("#password_confirmation_input").fill(PASSWORD)
    page.locator(f"#{way}_submit").click(no_wait_after=way == "login")


def notebook(page: Page, hub: Hub, name: str, number: str) -> Learner:
    """Open a notebook on somebody's own server."""
    page.goto(f"{hub.address}/user/{name}/lab/tree/{number}.ipynb?reset")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle").first).to_be_visible(timeout=5 * MINUTES)
    page.keyboard.press("Control+b")
    return Learner(page, hub.home(name) / "course" / f"{number}.ipynb")


def start_all(one: Learner, solution: str) -> None:
    """Type the solution and let all cells run; return at once."""
    place = next(cell.source for cell in one.code if "# write here" in cell.source)
    one.write(place, solution)
    assert any(cell.source.strip() == solution.strip() for cell in one.code)
    choose(one.page, "Run", "Run All Cells")


def finished(one: Learner) -> str:
    """The points that the notebook shows, once its last cell has run."""

    def points() -> str | None:
        cells = one.code
        return points_in(cells) if all(cell.execution_count for cell in cells) else None

    return wait_until(points, reason=f"the end of {one.path.name}", timeout=600, interval=5)


def test_three_learners_and_a_teacher(engine: Engine, place: Any, browser: Browser, tmp_path: Path) -> None:
    """Three log in at once, do notebooks 3 and 4 with the panel and a terminal, and hand in; the teacher has their points.

    One's kernel is killed meanwhile: its lab ends, and the others' do not.
    """
    with running(engine, place) as hub:
        everybody = (*LEARNERS, TEACHER)
        pages = {name: browser.new_context(viewport={"width": 1000, "height": 1000}).new_page() for name in everybody}
        for way in ("signup", "login"):
            for name, page in pages.items():
                enter(page, hub, name, way)
        for name, page in pages.items():
            page.wait_for_url(re.compile(f"/user/{name}/"), timeout=5 * MINUTES)
        assert hub.containers() == {f"course-{name}" for name in everybody}
        hub.run(TEACHER, "cd && mkdir -p release/course && cp /opt/labkit/*.ipynb release/course && nbgrader release_assignment")
        for number in ("3_ipvs", "4_nginx"):
            notebooks = {name: notebook(pages[name], hub, name, number) for name in LEARNERS}
            for one in notebooks.values():
                start_all(one, NATIVE[number])
            assert {name: finished(one) for name, one in notebooks.items()} == dict.fromkeys(LEARNERS, "35")
            for name, one in notebooks.items():
                click_in_the_panel(one)
                one.page.screenshot(path=tmp_path / f"{name}-{number}.png")
        for name in LEARNERS:
            typed_in_a_terminal(pages[name], hub, name)
        with ThreadPoolExecutor() as at_once:
            command = "cd ~/course && labkit hand-in --name $USER && nbgrader submit 2>&1"
            said = list(at_once.map(lambda name: hub.run(name, command), LEARNERS))
        assert all("Submitted as" in words for words in said), said
        # Nobody can look into what others have handed in.
        assert "Permission denied" in hub.run("ada", "ls /srv/exchange/balancing/inbound 2>&1", check=False)
        hub.run("boris", "pkill -9 -f ipykernel_launcher")
        wait_until(lambda: not hub.labs("boris"), reason="the end of the killed kernels' labs", timeout=60, interval=1)
        assert hub.labs("ada") and hub.labs("chen")
        table = collected_and_graded(hub)
        assert {row["file"].split("/")[0]: row["points measured"] for row in table} == dict.fromkeys(LEARNERS, "70")
        for page in pages.values():
            page.context.close()


def test_idle_container_is_removed_and_the_work_stays(engine: Engine, place: Any, browser: Browser) -> None:
    """Some time after its window was closed a learner's container is gone, with its lab; the volume has the notebook."""
    with running(engine, place, COURSE_IDLE=str(IDLE)) as hub:
        page = browser.new_context(viewport={"width": 1000, "height": 1000}).new_page()
        enter(page, hub, "dara", "signup")
        enter(page, hub, "dara", "login")
        page.wait_for_url(re.compile("/user/dara/"), timeout=5 * MINUTES)
        one = notebook(page, hub, "dara", "1_backends")
        start_all(one, NATIVE["1_backends"])
        wait_until(lambda: hub.labs("dara"), reason="a lab", timeout=300, interval=1)
        finished(one)
        home = hub.home("dara")
        page.context.close()
        wait_until(lambda: not hub.containers(), reason="the end of the container", timeout=600, interval=2)
        assert NATIVE["1_backends"] in "".join(cell.source for cell in nbformat.read(one.path, as_version=4).cells)
        assert (home / "course" / "work" / "task1.sh").exists()
        assert not engine.docker("ps", "-aq").stdout.split()
        assert not [one for one in psutil.process_iter() if one.name().startswith("linux.uml") and one.uids().real >= FIRST_UID]


def click_in_the_panel(one: Learner) -> None:
    """Let the panel send requests, and stop it."""
    panel = one.page.locator(".labkit-panel")
    panel.scroll_into_view_if_needed()
    panel.get_by_title("Start", exact=True).click()
    expect(panel).to_contain_text("Requests are being sent", timeout=2 * MINUTES)
    panel.get_by_title("Stop", exact=True).click()


def typed_in_a_terminal(page: Page, hub: Hub, name: str) -> None:
    """Type `labkit shell 4_nginx` in a terminal of JupyterLab, and look there at what runs in the lab."""
    seen = hub.home(name) / "course" / "work" / "seen"
    choose(page, "File", "New", "Terminal")
    terminal = page.locator(".jp-Terminal").last
    expect(terminal).to_be_visible(timeout=2 * MINUTES)
    terminal.click()
    page.keyboard.type("labkit shell 4_nginx\n")
    deadline = time.monotonic() + 60
    while not seen.exists():
        assert time.monotonic() < deadline, "nothing was written by the shell in the lab"
        page.keyboard.type("pgrep -x nginx >~/seen\n")
        time.sleep(2)
    assert seen.read_text().split(), "no nginx in the lab"
    page.keyboard.type("exit\n")


def collected_and_graded(hub: Hub) -> list[dict[str, str]]:
    """Let the teacher collect and grade, and return the rows of the table."""
    said = hub.run(TEACHER, "cd ~ && nbgrader collect 2>&1")
    assert said.count("Collecting submission") == len(LEARNERS) and "cheating" not in said, said
    hub.run(TEACHER, "cd ~ && labkit grade submitted --csv points.csv --html feedback")
    text = (hub.home(TEACHER) / "points.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(text.splitlines()))
