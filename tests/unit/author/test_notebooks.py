"""The command that starts JupyterLab."""

import ast
import json
import os
import sys
from pathlib import Path

import pytest
from jupyterlab_server.settings_utils import _get_overrides
from traitlets.utils.importstring import import_item

from labkit.author.notebooks import LEARNER, NOTEBOOKS, jupyter_command, path_with_labkit, surroundings
from labkit.cli import main


def test_terminals_are_no_login_shells(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell is the user's own, named without -l; what the user asks of JupyterLab comes last, so it counts."""
    monkeypatch.setenv("SHELL", "/bin/own")
    *_, folder, setting, last = jupyter_command(Path("/x"), "--own-option")
    name, _, value = setting.partition("=")
    assert (folder, name, last) == ("/x", "--ServerApp.terminado_settings", "--own-option")
    assert ast.literal_eval(value) == {"shell_command": ["env", "--default-signal", "/bin/own"]}


def test_open_becomes_jupyterlab_on_the_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """`labkit open -- OPTION` is the command above on the course's notebooks, with `labkit` on its PATH."""
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.chdir(NOTEBOOKS)
    command, path = jupyter_command(NOTEBOOKS, "--no-browser"), path_with_labkit()
    became: list[tuple[str, list[str], str]] = []
    monkeypatch.setattr(os, "execv", lambda *arguments: became.append((*arguments, os.environ["PATH"])))
    main(["open", "--", "--no-browser"])
    assert became == [(sys.executable, command, path)]


def test_learners_settings_come_before_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nbgrader's tools are left out, what the machine has set up for Jupyter counts too; a teacher's is untouched."""
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/own")
    assert surroundings(learner=True)["JUPYTER_CONFIG_PATH"] == f"{LEARNER}:/own"
    monkeypatch.delenv("JUPYTER_CONFIG_PATH")
    assert surroundings(learner=True)["JUPYTER_CONFIG_PATH"] == str(LEARNER)
    assert list(surroundings(learner=False)) == ["PATH"]


def test_learners_are_not_asked_about_news(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """JupyterLab on the learner's edition asks for no news and looks for no newer JupyterLab: it needs no network."""
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", surroundings(learner=True)["JUPYTER_CONFIG_PATH"])
    overrides, _ = _get_overrides(str(tmp_path))
    assert overrides["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "false", "checkForUpdates": False}


def test_path_begins_with_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command `labkit` of the running Python comes first, also where there is no PATH."""
    monkeypatch.delenv("PATH")
    assert path_with_labkit().split(":")[0] == str(Path(sys.executable).parent)


def test_learners_kernels_load_labkit() -> None:
    """A kernel on the learner's edition knows %lab before its first cell, so that one that was restarted can say what to run."""
    settings = json.loads((LEARNER / "jupyter_server_config.json").read_text())
    kernels = import_item(settings["ServerApp"]["kernel_spec_manager_class"])()
    assert kernels.get_kernel_spec("python3").argv[-1] == "--ext=labkit"
