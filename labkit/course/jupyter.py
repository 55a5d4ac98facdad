"""How JupyterLab is started on the notebooks."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def path_with_labkit() -> str:
    """PATH with the folder of the command `labkit`."""
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"


def jupyter_command(notebooks: Path, *options: str) -> list[str]:
    """The command that starts JupyterLab on a folder.

    Its terminals are no login shells, which they would be where the command's output is no terminal: in these, /etc/profile
    begins PATH anew.
    """
    terminals = {"shell_command": [os.environ.get("SHELL") or "/bin/bash"]}
    return [sys.executable, "-m", "jupyterlab", str(notebooks), f"--ServerApp.terminado_settings={terminals}", *options]
