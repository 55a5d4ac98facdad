"""The rules under which the work of others runs, as far as no lab is needed to see them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.machine import cell


@pytest.fixture(autouse=True)
def _compiled_anew() -> Iterator[None]:
    cell.rules.cache_clear()
    yield
    cell.rules.cache_clear()


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("", "No such file"),
        ("#!/bin/sh\necho 'AppArmor parser error' >&2; exit 1\n", "AppArmor parser error"),
        ("#!/bin/sh\nkill -9 $$\n", "SIGKILL"),
    ],
)
def test_rules_that_cannot_be_compiled_are_this_machines_fault(
    program: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the parser is not there, refuses the rules or is killed, no lab for the work of others opens, with its words."""
    if program:
        (tmp_path / "apparmor_parser").write_text(program)
        (tmp_path / "apparmor_parser").chmod(0o755)
    monkeypatch.setattr(cell, "PATH", f"{tmp_path}")
    with pytest.raises(LabError) as caught:
        cell.rules()
    assert words in caught.value.words and "apt-get install apparmor" in caught.value.way_out
