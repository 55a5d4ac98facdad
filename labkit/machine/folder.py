"""The folder of one lab on the host: what the lab's /etc holds, its logs and its captures."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadInput, LabError
from .temporary import no_folder, own_folder

# Where large arguments of calls into the lab travel; and where the words of its Linux go.
CALLS, LOG = "calls", "linux.log"
# The lab's /etc, the same on every machine whatever its own holds: what the packages nginx and dnsmasq of Debian 12 lay there,
# byte for byte, and a few files of ours. The learner's own dnsmasq answers by resolv.conf; as on a Debian with systemd, the
# scripts of init.d hand on to it. And its empty folders.
FILES = Path(__file__).with_name("etc")
EMPTY = (
    "nginx/conf.d", "nginx/modules-available", "nginx/modules-enabled", "nginx/sites-enabled", "keepalived",
    "network/interfaces.d", "systemd/network", "systemd/system",
)  # fmt: skip
DEFAULT_SITE = ("nginx/sites-enabled/default", "/etc/nginx/sites-available/default")


@dataclass(frozen=True)
class LabFolder:
    """One lab's folder on the host (`path`, seen in the lab as /lab) and its learner's home (`home`, seen as ~).

    `given_up` is set when nobody wants the lab any more, so that it need not go on opening.
    """

    path: Path
    home: Path
    given_up: threading.Event = field(default_factory=threading.Event, compare=False)

    @classmethod
    def create(cls, name: str, home: Path | None) -> LabFolder:
        """Make the folder of the lab `name`; `home` None means a home that goes with the lab.

        Raises LabError when it cannot be made, and BadInput when the home cannot be.
        """
        top = own_folder()
        try:
            path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=top))
        except OSError as error:
            raise no_folder(error) from error
        folder = cls(path, (path / "home" if home is None else home).resolve())
        try:
            folder._fill()
        except BaseException:
            folder.remove()
            raise
        return folder

    def _fill(self) -> None:
        try:
            self.path.chmod(0o755)
            for part in ("etc", "logs", "captures", CALLS):
                (self.path / part).mkdir()
            # dumpcap gives up root's right to write everywhere, and on User-Mode Linux alone root does not own the folder.
            (self.path / "captures").chmod(0o777)
            fill_etc(self.path / "etc")
        except OSError as error:
            raise no_folder(error) from error
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            way_out = "name another with home="
            raise BadInput(f"{self.home} cannot be the lab's home.", words=str(error), way_out=way_out) from error

    def read(self, file: str) -> str:
        """Return the text of `file` in the folder, or nothing where there is none."""
        place = self.path / file
        try:
            # The lab writes here too: a link that it makes must not show a file of the host.
            if not place.resolve().is_relative_to(self.path.resolve()):
                return ""
            return place.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def remove(self) -> None:
        """Delete the folder; a home given by the caller stays."""
        shutil.rmtree(self.path, ignore_errors=True)


def write_below(home: Path, name: str, text: str) -> None:
    """Write a file below a home. Whoever reads it meanwhile sees the old text or the new one; its mode stays.

    Raises LabError, and BadInput when a link that the lab can make would lead out of it.
    """
    file = home / name
    if file.is_symlink() or not file.resolve().is_relative_to(home.resolve()):
        raise BadInput(f"~/{name} is a link that leads out of the lab's home.", way_out="delete the link: %lab rm")
    beside = file.with_name(f".{secrets.token_hex(8)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("x", encoding="utf-8") as new:
                new.write(text)
            if file.exists():
                shutil.copymode(file, beside)
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        way_out = f"free space or write access is needed in {home}"
        raise LabError(f"~/{name} cannot be written.", words=str(error), way_out=way_out) from error


def fill_etc(etc: Path) -> None:
    """Lay out the lab's /etc, readable for every user in it, whatever the modes of the checkout are. Raises OSError."""
    shutil.copytree(FILES, etc, copy_function=shutil.copyfile, dirs_exist_ok=True)
    for folder in EMPTY:
        (etc / folder).mkdir(parents=True, exist_ok=True)
    (etc / DEFAULT_SITE[0]).symlink_to(DEFAULT_SITE[1])
    for link in Path("/usr/lib").glob("python3.*/sitecustomize.py"):  # Debian's leads to /etc/python3.*
        (etc / link.parent.name).symlink_to("python3")
    for path in etc.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "init.d" else 0o644)
