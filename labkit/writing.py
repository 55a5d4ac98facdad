"""Pages from templates that escape every value; and files, of which none is left half written, tried before the work begins."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .errors import BadInput, shortage

TEMPLATES = Path(__file__).with_name("templates")
PAGES = Environment(loader=FileSystemLoader(TEMPLATES / "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
# As much must be free where something is to be written, bytes.
ROOM = 65_536


def filled(template: str, **values: Any) -> str:
    """Return a template of templates/pages with its values filled in, every text escaped."""
    return PAGES.get_template(template).render(values)


@contextlib.contextmanager
def writing(what: str, place: Path, way_out: str) -> Iterator[None]:
    """Turn what the system has against writing `what` to `place` into BadInput."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name, half a character
        words = str(error)
        way_out = shortage(words) or way_out
        raise BadInput(f"{what} cannot be written to {str(place)[:500]!r}.", words=words, way_out=way_out) from None


def prepare_folder(what: str, folder: Path, way_out: str) -> None:
    """Make `folder` and try that a file can be written in it. Raises BadInput."""
    with writing(what, folder, way_out):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(ROOM))


def prepare_file(what: str, file: Path, way_out: str) -> None:
    """Make the folder of `file` and try that it can be written there. Raises BadInput."""
    with writing(what, file, way_out):
        target = Path(os.path.realpath(file))
        if target.is_dir():
            raise IsADirectoryError("it is a folder")
        with contextlib.suppress(FileNotFoundError):
            os.lstat(target)  # a name that is too long
        if not is_device(target):
            prepare_folder(what, target.parent, way_out)


def write_file(what: str, file: Path, text: str | bytes, way_out: str, *, encoding: str = "utf-8") -> None:
    """Write `text` to `file`: beside it first, so that a file that is there is replaced whole or not at all. Raises BadInput."""
    with writing(what, file, way_out):
        data = text.encode(encoding) if isinstance(text, str) else text
        target = Path(os.path.realpath(file))
        target.parent.mkdir(parents=True, exist_ok=True)
        if is_device(target):
            target.write_bytes(data)
            return
        handle, beside = tempfile.mkstemp(dir=target.parent, prefix=".labkit-")
        try:
            with open(handle, "wb") as stream:
                stream.write(data)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(beside, 0o666 & ~mask)
            os.replace(beside, target)
        except BaseException:
            os.unlink(beside)
            raise


def is_device(target: Path) -> bool:
    """Return True for a device, a pipe or a socket, which is written to and never replaced."""
    return target.exists() and not target.is_file() and not target.is_dir()
