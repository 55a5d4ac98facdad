"""The homework as one document: a notebook made of cover, points, and each task's work, story and verdicts; notebooks as HTML."""

import copy
import importlib.metadata
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ..judge.verdict import Verdicts
from ..machine.view import PATH
from ..writing import TEMPLATES, filled

TITLES = {1: "A pool of backends", 2: "DNS load balancing", 3: "Layer 4 balancing with IPVS", 4: "Layer 7 balancing with nginx"}
FILES = {
    1: ("task1.sh", "backend1/index.html", "backend2/index.html"),
    2: ("task2.sh", "dnsmasq.conf", "answers.md"),
    3: ("task3.sh",),
    4: ("task4.sh", "nginx.conf"),
}
# What a reader is shown of a file at the most, characters.
SHOWN = 20_000
# The cells of a notebook that are no story, and the lines of a cell that are for programs.
NO_STORY = re.compile(
    r"^%load_ext labkit|^# NBVAL_CHECK|^lab = Lab\(|\bpanel\(|\breport_form\(|^terminal_button\(|= check\(\d\)"
    r"|^verdicts(\.points)?$",
    re.MULTILINE,
)
NO_STORY_TAGS = {"asked", "nbval-check-output"}
FOR_PROGRAMS = re.compile(r"^(?:%%once_done|# NBVAL_\w+|### (?:BEGIN|END) SOLUTION)\n?", re.MULTILINE)
PROGRAMS = {
    "nginx": ["nginx", "-v"], "dnsmasq": ["dnsmasq", "--version"], "dig": ["dig", "-v"], "ip": ["ip", "-V"],
    "tshark": ["tshark", "--version"], "User-Mode Linux": ["linux.uml", "--version"],
    "curl": ["curl", "--version"], "bubblewrap": ["bwrap", "--version"],
}  # fmt: skip
LINUXES = {"host": "the running kernel", "uml": "User-Mode Linux", "none": "none opened"}
PACKAGES = ("pandas", "matplotlib", "pyshark", "pyroute2", "dnspython", "nbconvert")


def versions() -> dict[str, str]:
    """The versions of this machine's Linux, of Python and its packages, and of each program as its first words say."""
    found = {"Linux of this machine": platform.release(), "Python": platform.python_version()}
    found |= {name: importlib.metadata.version(name) for name in PACKAGES}
    for name, command in PROGRAMS.items():
        if program := shutil.which(command[0], path=PATH):
            try:
                done = subprocess.run([program, *command[1:]], capture_output=True, timeout=20, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                found[name] = str(error)[:100]
                continue
            said = (done.stdout + done.stderr).decode(errors="replace")
            words = next(iter(said.strip().splitlines()), "")
            number = re.search(r"\d+\.[\w.+~-]*\w", words)
            found[name] = number[0] if number else words[:100]
    return found


def output_cell(page: str, plain: str = "") -> NotebookNode:
    """A cell without source whose output is a piece of HTML of ours."""
    output = new_output("display_data", data={"text/html": page, "text/plain": plain})
    hidden = {"transient": {"remove_source": True}}  # nbconvert's mark for an input that is not shown
    cell: NotebookNode = new_code_cell("", outputs=[output], metadata=hidden)
    return cell


def text_of(file: Path) -> str:
    """The text of a file of the work, as much as is shown of it."""
    if not file.is_file():
        return "(not there)"
    text = file.read_text(encoding="utf-8", errors="replace")
    rest = len(text) - SHOWN
    return text if rest <= 0 else f"{text[:SHOWN]}\n… {rest:,} more characters"


def task_part(task: int, work: Path, verdicts: Verdicts, story: Any | None) -> list[NotebookNode]:
    """One task: the work's files, the verdicts, and the notebook's story with its figures and tables."""
    files = [(name, text_of(work / name)) for name in FILES[task]]
    part, words = verdicts.of_task(task), "\n".join(f"{name}\n{text}" for name, text in files)
    cells = [
        output_cell(filled("work.html.j2", task=task, title=TITLES[task], files=files), words),
        new_markdown_cell("## Verdicts"),
        output_cell(part._repr_html_(), str(part)),
    ]
    if story is not None:
        cells += [output_cell(filled("notebook.html.j2", task=task)), *told(story)]
    return cells


def told(notebook: Any) -> list[NotebookNode]:
    """The cells of a notebook that tell its story: without set-up, panel, verdict and form, which the document has once or never.

    A section that held nothing else goes with its text. Headings are a level lower, so that the document has one order of them.
    """
    sections: list[list[Any]] = [[]]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            sections.append([])
        sections[-1].append(cell)
    found: list[NotebookNode] = []
    for section in sections:
        code = [cell for cell in section if cell.cell_type == "code"]
        if not code or any(tells(cell) for cell in code):
            found += [retold(cell) for cell in section if cell.cell_type != "code" or tells(cell)]
    return found


def tells(cell: Any) -> bool:
    """Return True for a code cell that is a part of the story: it shows something, or the learner wrote it."""
    if cell.metadata.get("nbgrader", {}).get("solution"):
        return True
    return not NO_STORY_TAGS & {*cell.metadata.get("tags", ())} and not NO_STORY.search(cell.source)


def retold(cell: Any) -> NotebookNode:
    """A cell as it stands in the document: titles a level lower, marks for programs taken out."""
    made: NotebookNode = new_markdown_cell("\n".join(lowered(cell.source)))
    if cell.cell_type == "code":
        source, outputs = FOR_PROGRAMS.sub("", cell.source), cell.get("outputs", [])
        made = new_code_cell(source, outputs=outputs, metadata=cell.metadata)
    return made


def lowered(markdown: str) -> Iterator[str]:
    """Yield the lines of a text, its headings a level lower and that of the first level left out; code is left alone."""
    code = False
    for line in markdown.splitlines():
        code ^= line.startswith("```")
        if code or not line.startswith("#"):
            yield line
        elif not line.startswith("# "):
            yield f"#{line}"


def document(
    work: Path, who: Mapping[str, str], verdicts: Verdicts, stories: Mapping[int, Any], tools: Mapping[str, str],
) -> NotebookNode:  # fmt: skip
    """The whole homework as a notebook, to be exported by nbconvert; `who` has name, group and date."""
    tasks = [(task, title, verdicts.of_task(task)) for task, title in TITLES.items()]
    cells = [output_cell(filled("cover.html.j2", who=who, tasks=tasks, all=verdicts))]
    for task in TITLES:
        cells += task_part(task, work, verdicts, stories.get(task))
    rows = [("Linux of the labs", LINUXES.get(verdicts.linux, verdicts.linux)), *tools.items()]
    cells.append(output_cell(filled("tools.html.j2", tools=rows)))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    notebook: NotebookNode = new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    return notebook


# What pandas writes into every table and HTML does not allow; report.css says the same once.
OBSOLETE = re.compile(r"<style scoped>[^<]*</style>\s*|(?<=<table) border=\"1\"")
# A head of a table that names nothing.
NO_HEAD = re.compile(r"<th([^<>]*)></th>")
# A wide table scrolls on a narrow screen: in a box that the keyboard can reach.
TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
WIDE = r'<div class="wide" role="group" aria-label="Table" tabindex="0">\g<0></div>'
WIDGET = "application/vnd.jupyter.widget-view+json"
# What a widget is in words, for a reader without a kernel; and what IPython says when a first cell is run again.
WIDGET_WORDS = re.compile(r"[A-Z]\w+\((?:children|value|description)=")
LOADED = re.compile(r"The \S+ extension is already loaded\. To reload it, use:\n\s*%reload_ext \S+\n?")


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """Return a copy of a notebook with what can be shown without a kernel: no widgets, and tables that are valid and scroll."""
    notebook = copy.deepcopy(notebook)
    for cell in (cell for cell in notebook.cells if "outputs" in cell):
        for output in cell.outputs:
            data = output.get("data", {})
            page = data.get("text/html", "")
            if 'class="dataframe"' in page:
                page = TABLE.sub(WIDE, OBSOLETE.sub("", page))
            if page:
                data["text/html"] = NO_HEAD.sub(r"<td\1></td>", page)
            if "text" in output:
                output["text"] = LOADED.sub("", output["text"])
        cell.outputs = [output for output in cell.outputs if survives(output)]
    return notebook


def survives(output: Any) -> bool:
    """Return True for an output that says something without a kernel."""
    data = output.get("data", {})
    if WIDGET in data or output.get("text") == "":
        return False
    return not (set(data) == {"text/plain"} and WIDGET_WORDS.match(data["text/plain"]))


def to_html(notebook: NotebookNode, title: str, *, block: str = "") -> str:
    """The executed `notebook` as one self-contained page named `title`, with the JSON text `block` for machines in it."""
    from nbconvert import HTMLExporter

    from ..show.picture import with_alt_texts

    exporter = HTMLExporter(
        template_name="labkit", extra_template_basedirs=[str(TEMPLATES)], embed_images=True, exclude_input_prompt=True,
        exclude_output_prompt=True, exclude_anchor_links=True, language_code="en", preprocessors=[with_alt_texts],
    )  # fmt: skip
    resources = {"metadata": {"name": title}, "labkit_block": block}
    body, _ = exporter.from_notebook_node(cleaned(notebook), resources)
    return str(body)
