"""How JupyterLab is started on the notebooks."""

import os
import runpy
import sys
from pathlib import Path

from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager

from ..machine.temporary import DEFAULT_SIGNALS, ignore_here_only
from ..writing import TEMPLATES

# Settings of Jupyter for whoever works on the learner's edition, on a hub too: nbgrader's tools for teachers are not on the
# screen, kernels are those below, and no news is asked for, which would need a network.
LEARNER = TEMPLATES / "learner"


class Kernels(KernelSpecManager):
    """Kernels that know labkit before their first cell: one that was restarted says which cells to run (magics.py)."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return how a kernel is started; this environment's own Python loads labkit."""
        spec = super().get_kernel_spec(kernel_name)
        if kernel_name == NATIVE_KERNEL_NAME:
            spec.argv = [*spec.argv, "--ext=labkit"]
        return spec


def path_with_labkit() -> str:
    """PATH with the folder of the command `labkit`."""
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"


def surroundings(*, learner: bool) -> dict[str, str]:
    """Return the variables that JupyterLab is started with: PATH with `labkit`, and a learner's settings before the others."""
    found = {"PATH": path_with_labkit()}
    if learner:
        others = os.environ.get("JUPYTER_CONFIG_PATH")
        found["JUPYTER_CONFIG_PATH"] = f"{LEARNER}{os.pathsep}{others}" if others else str(LEARNER)
    return found


def jupyter_command(notebooks: Path, *options: str) -> list[str]:
    """The command that starts JupyterLab on a folder.

    Its terminals are no login shells, which they would be where the command's output is no terminal: in these, /etc/profile
    begins PATH anew. What runs in JupyterLab ignores no signal that it was itself told to ignore.
    """
    terminals = {"shell_command": [*DEFAULT_SIGNALS, os.environ.get("SHELL") or "/bin/bash"]}
    settings = f"--ServerApp.terminado_settings={terminals}"
    return [sys.executable, "-P", "-m", "labkit.author.jupyter", str(notebooks), settings, *options]


if __name__ == "__main__":
    ignore_here_only()
    runpy.run_module("jupyterlab", run_name="__main__", alter_sys=True)
