"""Files inside the lab, and a mark by which a capture shows how far it has come."""

import os
import socket
import stat

LIMIT = 8 * 1024 * 1024


def read(path: str) -> str | None:
    """The text of a file, its last 8 MiB at the most, None when there is none."""
    try:
        # A pipe would be waited for without end. A folder is an error, before which an opener's descriptor is closed.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                return None
            # (The size of files of /proc, which cannot be read from their end, is 0.)
            file.seek(max(0, found.st_size - LIMIT))
            return (file.read(LIMIT) or b"").decode(errors="replace")
    except OSError:
        return None


def grown(path: str, offset: int) -> tuple[str, int]:
    """What a log has grown by since `offset`, whole lines (1 MiB at the most), and where it ends now.

    An `offset` of -1 is its end. A log that is not there is empty; one that became shorter is read from its beginning.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(size if offset < 0 else offset if offset <= size else 0)
            begin = file.tell()
            data = file.read(LIMIT // 8)
    except OSError:
        return "", 0
    whole = data[: data.rfind(b"\n") + 1]
    return whole.decode(errors="replace"), begin + len(whole)


def listing(path: str) -> list[str] | None:
    """The names in a folder, sorted, None when it is none."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return None


def copy_tree(source: str, to: str, *but: str) -> None:
    """Copy all in a folder `but` these names: files and folders with their modes and times, links as links. Raises OSError.

    Without a program: on User-Mode Linux one that is started takes longer than the copy of a work.
    """
    os.makedirs(to, exist_ok=True)
    for entry in os.scandir(source):
        if entry.name in but:
            continue
        target, found = f"{to}/{entry.name}", entry.stat(follow_symlinks=False)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), target)
            continue
        if entry.is_dir():
            copy_tree(entry.path, target)
        else:
            with open(entry.path, "rb") as file, open(target, "wb") as copy:
                while data := file.read(LIMIT):
                    copy.write(data)
        os.chmod(target, stat.S_IMODE(found.st_mode))
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def write(path: str, text: str) -> None:
    """Write a small file. Raises OSError."""
    with open(path, "w") as file:
        file.write(text)


# RFC 863: the discard service.
DISCARD = 9


def mark(text: str) -> None:
    """Send `text` in one datagram to the lab's loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), ("127.0.0.1", DISCARD))
