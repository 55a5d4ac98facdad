"""What `./lab test` makes of skipped tests, by the records that pytest writes, and of the steps on other kernels."""

import subprocess
from pathlib import Path
from typing import Any

import run
from kernels.test_kernels import MARK, step_line

RECORD = """<testsuites><testsuite>
<testcase classname="a" name="passes"/>
<testcase classname="a" name="fails"><failure message="no"/></testcase>
<testcase classname="a" name="skipped"><skipped message="{}"/></testcase>
</testsuite></testsuites>"""


def outcome(tmp_path: Path, reason: str) -> run.Outcome:
    """A run with a test that was skipped for a reason."""
    (tmp_path / "record").write_text(RECORD.format(reason))
    return run.read_record("one", tmp_path / "record")


def test_skipped_test_is_named_with_its_place(tmp_path: Path, capsys: Any) -> None:
    """Each reason stands once, with the command that runs its tests and their names; the skip is no failure. One that may be
    skipped on every machine is."""
    for reason in (f"{begin}…" for begin in run.ELSEWHERE):
        two = run.Outcome("two", skipped=[(reason, "b::too")])
        assert run.report([outcome(tmp_path, reason), two]) == 1
        shown = capsys.readouterr().out
        assert f"2 skipped: {reason}\n  They run: ./lab test" in shown
        assert "  a::skipped\n  b::too\n" in shown and "1 passed, 1 failed, 2 skipped" in shown
    assert run.report([outcome(tmp_path, "not today")]) == 2
    assert "1 skipped: not today\n  They run: NOWHERE" in capsys.readouterr().out


def test_slow_tests_are_there() -> None:
    """The files and tests that `--works` names are there: a renamed one would be left out without a word."""
    for name in run.GUARDS:
        file, _, function = name.partition("::")
        assert f"def {function}" in (run.TOP / file).read_text()


def test_a_step_on_another_kernel_ends_with_its_own_code() -> None:
    """What a guest prints after a step of `--kernels` is the step's code, and of nothing that runs behind it."""
    codes = {"true": 0, 'echo "it\'s"; exit 7': 7, "cat /nowhere | tee /dev/null; false": 1}
    for command, code in codes.items():
        said = subprocess.check_output(["sh", "-c", step_line("env ", 3, command)], text=True)
        assert said.splitlines()[-1] == f"{MARK} 3 {code}"
