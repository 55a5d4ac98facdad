"""`labkit shell --record`: what is typed in terminals becomes the script of the task, and is judged right."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from labkit.cli import work_of
from labkit.judge.check import check_work
from labkit.judge.verdict import PASSED
from labkit.lab import Lab
from labkit.recording import HEAD

from .helpers import eventually, mentioning, opened
from .terminal import Terminal, in_front
from .terminal import opened as at_terminal


@pytest.fixture
def recorded(linux: str, tmp_path: Path) -> Iterator[Lab]:
    """A lab of task 1 whose commands are kept."""
    with opened(linux, tmp_path / "work", task=1) as lab:
        yield lab


def script(lab: Lab) -> list[str]:
    """The lines of the lab's script, without its head."""
    return (lab.home / "task1.sh").read_text().removeprefix(HEAD).splitlines()


def leave(terminal: Terminal) -> str:
    """Type `exit`, and return what is shown after it."""
    terminal.sendline("exit")
    terminal.expect(pexpect.EOF)
    return re.sub(r"\x1b\[[?\d;]*[a-zA-Z]|\r", "", terminal.before)


def test_what_is_typed_is_kept_as_it_was_typed(recorded: Lab) -> None:
    """Whole commands, repeated ones, comments; not what was interrupted, what no shell can read, or what begins with a space."""
    with at_terminal(recorded, "--record") as terminal:
        terminal.do("echo 'привет;  мир' && false; echo code $?")
        terminal.do("echo again")
        terminal.do("echo again")
        terminal.do(" echo a secret")
        terminal.do("")
        terminal.do("# why")
        for lines in (
            ["for i in 1 2; do", "  echo $i   # twice", "done"],
            ["cat >~/page <<'END'", "  <h1>$x</h1>", "", "END"],
        ):
            for line in lines[:-1]:
                terminal.sendline(line)
                terminal.expect_exact("> ")
            terminal.do(lines[-1])
        terminal.sendline("if true; then")
        terminal.expect_exact("> ")
        terminal.cancel()
        terminal.send("half")
        terminal.cancel()
        terminal.do("if then")
        wanted = [
            "echo 'привет;  мир' && false; echo code $?", "echo again", "echo again", "# why",
            "for i in 1 2; do", "  echo $i   # twice", "done", "cat >~/page <<'END'", "  <h1>$x</h1>", "", "END",
        ]  # fmt: skip
        assert script(recorded) == wanted
        terminal.sendline("sleep 1009")
        in_front(recorded, "sleep 1009")
        wanted.append("sleep 1009")
        eventually(lambda: script(recorded) == wanted, "the line of a silent program that runs")
        terminal.sendcontrol("c")
        wanted.append("pkill -INT -xf 'sleep 1009'")
        terminal.expect_exact("PROMPT ")
        terminal.do(" set -eux")
        terminal.do(" sudo -u nobody true; set +eux")
        shown = leave(terminal)
    assert "".join(f"    {line}\n" for line in wanted) in shown
    assert f"Recorded in {recorded.home}/task1.sh:" in shown and f"labkit hand-in --work {recorded.home}" in shown


def serve(terminal: Terminal, lab: Lab, port: int) -> None:
    """Type the command of a backend, which keeps the terminal, and wait until it serves."""
    terminal.sendline(f"python3 -m http.server {port}")
    in_front(lab, f"python3 -m http.server {port}")
    eventually(lambda: not lab.run(f"curl -s http://127.0.0.1:{port}/", check=False).code, f"an answer on port {port}")


def test_task_typed_in_two_terminals_is_judged_right(recorded: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers in the foreground of their own terminals, one of them first in the wrong folder and ended by Ctrl-C: all passed.

    What `labkit check` and `labkit hand-in` take without --work is that folder.
    """
    with at_terminal(recorded, "--record") as one, at_terminal(recorded, "--record") as two:
        one.do("mkdir -p ~/backend1 backend2")
        two.do("echo '<h2>*** Response from Backend Server 2 ***</h2>' >backend2/index.html")
        one.do("echo '<h1>Response from Backend Server 1</h1>' >backend1/index.html")
        serve(one, recorded, 8081)
        two.do("cd backend2")
        serve(two, recorded, 8082)
        one.sendcontrol("c")
        one.expect_exact("PROMPT ")
        one.do("cd backend1")
        serve(one, recorded, 8081)
        with at_terminal(recorded, "--record") as three:
            three.do("curl http://127.0.0.1:8081; curl http://127.0.0.1:8082")
            shown = leave(three)
        eventually(lambda: len(script(recorded)) == 12, "the last line")
    assert shown.count("curl") == 2, "a terminal shows what was typed in it"
    assert script(recorded) == [
        "mkdir -p ~/backend1 backend2",
        "echo '<h2>*** Response from Backend Server 2 ***</h2>' >backend2/index.html",
        "echo '<h1>Response from Backend Server 1</h1>' >backend1/index.html",
        "python3 -m http.server 8081",
        "cd backend2",
        "python3 -m http.server 8082",
        "pkill -INT -xf 'python3 -m http\\.server 8081'",
        "cd ~",
        "cd backend1",
        "python3 -m http.server 8081",
        "cd ~",
        "curl http://127.0.0.1:8081; curl http://127.0.0.1:8082",
    ]
    monkeypatch.chdir(recorded.home.parent)
    verdicts = check_work(work_of(argparse.Namespace(work=None)), [1], trusted=recorded.linux == "host")
    assert {row.verdict for row in verdicts} == {PASSED}, f"{verdicts}"


SITE = """upstream pool {{ server 127.0.0.1:8081 max_fails=7; server 127.0.0.1:8082 backup; }}
server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://pool; proxy_set_header X-high-load-test 123; }}
}}
"""


def test_what_an_editor_has_made_is_in_the_script(linux: str, tmp_path: Path) -> None:
    """A site that vi writes and nano corrects, below /etc, with the service restarted: task 4 is passed by the script alone."""
    with opened(linux, tmp_path / "home", task=4) as lab:
        for number, tag, words in ((1, "h1", "Response from"), (2, "h2", "*** Response from")):
            lab.write(f"~/backend{number}/index.html", f"<{tag}>{words} Backend Server {number}{' ***' * (number - 1)}</{tag}>\n")
        lab.write("~/task1.sh", "".join(f"python3 -m http.server 808{n} --directory ~/backend{n}\n" for n in (1, 2)))
        with at_terminal(lab, "--record") as terminal:
            terminal.do("sudo rm /etc/nginx/sites-enabled/default && cd /etc/nginx/conf.d")
            terminal.sendline("sudo vi pool.conf")
            in_front(lab, "vi pool.conf")
            terminal.send(f":set paste\ri{SITE.format(port=8080).rstrip()}\x1b:wq\r")
            terminal.expect_exact("PROMPT ")
            terminal.sendline("sudo nano +3 pool.conf")
            in_front(lab, "nano +3 pool.conf")
            terminal.expect_exact("listen")
            terminal.send("\x0b" + "    listen 127.0.0.1:8888;\r" + "\x0f\r\x18")
            terminal.expect_exact("PROMPT ")
            terminal.do("sudo nano /etc/nginx/nginx.conf --version | head -n 1")
            terminal.do("sudo nginx -t; sudo systemctl restart nginx")
            leave(terminal)
        lines = (lab.home / "task4.sh").read_text().removeprefix(HEAD).splitlines()
    made = [["cat >/etc/nginx/conf.d/pool.conf <<'END'", *SITE.format(port=port).splitlines(), "END"] for port in (8080, 8888)]
    assert lines == [
        "sudo rm /etc/nginx/sites-enabled/default && cd /etc/nginx/conf.d",
        "# sudo vi pool.conf", *made[0], "# sudo nano +3 pool.conf", *made[1],
        "sudo nano /etc/nginx/nginx.conf --version | head -n 1", "sudo nginx -t; sudo systemctl restart nginx",
    ]  # fmt: skip
    verdicts = check_work(tmp_path / "home", [4], trusted=linux == "host")
    assert {row.verdict for row in verdicts} == {PASSED}, f"{verdicts}"


def test_script_of_before_is_kept_beside_and_a_pasted_comment_and_a_root_shell_are_kept(recorded: Lab) -> None:
    """What the terminal does differently never rewrites a script without a word; shells within the shell are recorded too."""
    (recorded.home / "task1.sh").write_text("by hand\n")
    with at_terminal(recorded, "--record") as terminal:
        terminal.sendline(" bind 'set enable-bracketed-paste on'")
        terminal.expect_exact("PROMPT ")
        terminal.send("\x1b[200~# pasted\ncd /tmp\npwd; echo e''nd\x1b[201~\n")
        terminal.expect_exact("end\r\n")
        terminal.sendline("sudo -s")
        terminal.expect_exact("# ")
        terminal.sendline("cd /var")
        terminal.expect_exact("# ")
        terminal.sendline("exit")
        terminal.expect_exact("PROMPT ")
        terminal.do("history -c")
        terminal.do("echo first")
        shown = leave(terminal)
    assert script(recorded) == [
        "# pasted", "cd /tmp", "pwd; echo e''nd", "sudo -s", "cd /var", "exit", "cd /tmp", "history -c", "echo first"
    ]  # fmt: skip
    assert "the script of before is ~/task1.sh.bak-1" in shown
    assert (recorded.home / "task1.sh.bak-1").read_text() == "by hand\n"
    recorded.record("ls", task=1)
    assert script(recorded)[-2:] == ["cd ~", "ls"], "what a cell does is done in ~"


def test_lab_that_keeps_no_commands_says_so(recorded: Lab) -> None:
    """Where recording has ended, --record ends with the way out."""
    recorded.recording = False
    terminal = Terminal(recorded, "--record")
    terminal.expect_exact("its task is solved")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 3 and "recording = True" in terminal.before


def test_task_is_worked_on_without_a_notebook(linux: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`labkit shell --task 1` opens a lab whose home is ./work, records, and ends with its shell and all that ran in it."""
    monkeypatch.setenv("LABKIT_LINUX", linux)
    terminal = Terminal(None, "--task", "1", cwd=str(tmp_path))
    try:
        terminal.expect_exact("`exit` ends it")
        terminal.ready()
        terminal.do("mkdir backend1")
        terminal.do("sleep 4711 &")
        shown = leave(terminal)
    finally:
        terminal.close(force=True)
    assert f"Recorded in {tmp_path / 'work'}/task1.sh:\n    mkdir backend1\n    sleep 4711 &\n" in shown
    assert (tmp_path / "work" / "task1.sh").read_text() == f"{HEAD}mkdir backend1\nsleep 4711 &\n"
    assert (tmp_path / "work" / "backend1").is_dir() and not mentioning("4711")
