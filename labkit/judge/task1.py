"""Task 1: the pages, the servers, the answers."""

import os
import uuid
from typing import Any

from ..errors import CallFailed, shortage
from ..inside import files, http_client, judge
from ..machine.view import HOME
from ..services.http_server import PAGES
from .bench import Bench
from .verdict import Finding, check, failed, passed

PORTS = {"backend1": 8081, "backend2": 8082}
# How much of a page is shown, characters.
SHOWN = 200


@check(
    "1.1", "~/backend1 and ~/backend2 exist, each with one index.html",
    points=2, exactly=[f"~/{name}/index.html" for name in PAGES],
)  # fmt: skip
def folders(bench: Bench) -> Finding:
    """1.1: each folder holds the file index.html; what a server leaves beside it (a log, nohup.out) does not matter."""
    for name in PAGES:
        found = bench.call(files.listing, f"{HOME}/{name}")
        if found is None:
            return failed(f"~/{name} is no folder{bench.words}", f"there is no folder ~/{name}{bench.cause}")
        if bench.lab.read(f"~/{name}/index.html") is None:
            evidence = f"~/{name} holds {', '.join(found) or 'nothing'}{bench.words}"
            return failed(evidence, f"~/{name} holds no file index.html{bench.cause}")
    return passed("both folders hold a file index.html")


@check("1.2", "each index.html holds its own page, to the letter", points=2, exactly=PAGES.values(), after=["1.1"])
def pages(bench: Bench) -> Finding:
    """1.2: each file's text, but for white space and double quotes around it, is the page that is asked for."""
    for name, page in PAGES.items():
        text = bench.lab.read(f"~/{name}/index.html")
        if text is None:
            return failed(f"there is no ~/{name}/index.html", f"~/{name}/index.html is missing; asked: {page}")
        if text.strip() not in (page, f'"{page}"'):
            hint = f"the page of {name} is not to the letter: {parting(page, text.strip())}"
            return failed(f"~/{name}/index.html: {text[:SHOWN]!r}", hint)
    return passed("both pages are the asked ones")


def parting(asked: str, found: str) -> str:
    """What was asked and what was found, and where they part."""
    at = len(os.path.commonprefix([asked, found]))  # noqa: RUF071 (letter by letter is what is meant)
    here, there = (repr(text[at : at + 10]) if text[at:] else "its end" for text in (asked, found))
    where = f"they part at character {at + 1}: {here} is asked, {there} stands there"
    return f"asked {asked!r}, found {found[:SHOWN]!r}; {where}"


@check(
    "1.3", "a Python http server serves each folder, on port 8081 and 8082",
    points=4, exactly=PORTS.values(), after=["1.1"],
)  # fmt: skip
def servers(bench: Bench) -> Finding:
    """1.3: a Python process listens on each port and serves what lies in the folder now."""
    for name, port in PORTS.items():
        rows = [row for row in bench.listeners if row["protocol"] == "tcp"]
        programs = {row["program"] for row in rows if row["port"] == port}
        if not programs:
            python = {row["port"] for row in rows if row["program"].startswith("python")}
            elsewhere = " and ".join(map(str, sorted(python - set(PORTS.values()))))
            said = f"no server on port {port}"
            said += f", but a Python server on port {elsewhere}" if elsewhere else ""
            said += bench.cause or f": `python3 -m http.server {port} -d ~/{name} &`"
            return failed(f"nobody listens on port {port}{bench.words}", said)
        if others := sorted(program for program in programs if not program.startswith("python")):
            evidence = f"{' and '.join(others)} listens on port {port}"
            return failed(evidence, f"the server on port {port} is not Python's")
        try:
            answer = serves(bench, name, port)
        except CallFailed as error:
            if shortage(error.words) and bench.lab.trusted:  # in a guest the work itself has filled its home
                raise
            said = (error.words.splitlines()[-1:] or [error.tried])[0].partition(": '")[0]
            evidence = f"no file can be laid into ~/{name}: {said}"
            return failed(evidence, f"~/{name} is no folder that can be written to")
        if answer["status"] != 200:
            came = answer["error"] or f"status {answer['status']}"
            evidence = f"a file laid into ~/{name} cannot be fetched from port {port}: {came}"
            fault = "answer at 127.0.0.1" if answer["error"] else f"serve the folder ~/{name}"
            return failed(evidence, f"the server on port {port} does not {fault}")
    rows = [row for row in bench.call(judge.programs) if row["protocol"] == "tcp"]
    now = {row["program"] for row in rows if row["port"] in PORTS.values()}
    if others := sorted(name or "nobody" for name in now if not name.startswith("python")):
        evidence = f"once asked, {' and '.join(others)} listens in Python's place"
        return failed(evidence, "the server is not Python's")
    return passed("a Python process on each port serves its folder")


def serves(bench: Bench, name: str, port: int) -> dict[str, Any]:
    """Lay a file into the folder, fetch it over HTTP and take it away again; 200 only when the text comes back."""
    token = uuid.uuid4().hex
    path = f"{HOME}/{name}/{token}.txt"
    bench.call(files.write, path, token)
    try:
        answer = bench.call(http_client.fetch, "127.0.0.1", port, f"/{token}.txt")
    finally:
        bench.call(os.remove, path)
    foreign = answer["status"] == 200 and answer["body"] != token
    return answer | {"status": 0} if foreign else answer


@check("1.4", "both answer with their own page", points=2, after=["1.1", "1.3"])
def answers(bench: Bench) -> Finding:
    """1.4: curl gets from each server the page that lies in its folder."""
    rows, token = list[dict[str, Any]](), uuid.uuid4().hex
    # One curl for both: to start it takes User-Mode Linux longer than all that it asks. After each page comes its own code.
    urls = [f"http://127.0.0.1:{port}/" for port in PORTS.values()]
    done = bench.instrument("curl", "-s", "-m", "5", "-w", f"{token}%{{exitcode}}{token}", *urls)
    said = [*done.stdout.split(token), *[""] * 2 * len(PORTS)]
    bench.evidence["requests"] = rows
    for (name, port), page, code in zip(PORTS.items(), said[::2], said[1::2], strict=False):
        rows.append({"port": port, "code": int(code or done.code), "page": page[:200]})
        if code != "0" or page != bench.lab.read(f"~/{name}/index.html"):
            evidence = f"curl of port {port}: code {code or done.code}, {page[:200]!r}"
            return failed(evidence, f"port {port} does not answer with the page of {name}")
    return passed("curl got each page from its own port")
