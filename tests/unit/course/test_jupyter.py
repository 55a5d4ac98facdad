"""The command that starts JupyterLab."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from labkit.course.jupyter import jupyter_command, path_with_labkit


def test_terminals_are_no_login_shells(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell is the user's own, named without -l; what the user asks of JupyterLab comes last, so it counts."""
    monkeypatch.setenv("SHELL", "/bin/own")
    *_, folder, setting, last = jupyter_command(Path("/x"), "--own-option")
    name, _, value = setting.partition("=")
    assert (folder, name, last) == ("/x", "--ServerApp.terminado_settings", "--own-option")
    assert ast.literal_eval(value) == {"shell_command": ["env", "--default-signal", "/bin/own"]}


def test_path_begins_with_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command `labkit` of the running Python comes first, also where there is no PATH."""
    monkeypatch.delenv("PATH")
    assert path_with_labkit().split(":")[0] == str(Path(sys.executable).parent)
