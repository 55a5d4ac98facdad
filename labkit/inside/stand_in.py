"""Stands in for a running Python http.server, at its own socket, and answers late or with errors: a fault made by the server.

Run it as `python3 stand_in.py -d FOLDER --for PID` with `--ms` or `--share`, until it is ended. The server PID is paused
meanwhile; its listening socket is taken over by pidfd_getfd(2), so no connection is refused at either change. It needs the
standard library only, because it runs on the lab's own python3.
"""

import argparse
import ctypes
import os
import select
import signal
import socket
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

READY = "stands in"
# include/uapi/asm-generic/unistd.h and x86's table: the same number everywhere; Python has no function for it.
PIDFD_GETFD = 438
# How often, and how many milliseconds apart, the server is paused anew until no request of its own is under way.
PAUSES, PAUSE_MS = 50, 10


def is_error(number: int, share: float) -> bool:
    """Whether request `number` (1 …) is one of the `share` (0..1) that fail: spread evenly, so that the share is exact."""
    return int(number * share + 1e-9) > int((number - 1) * share + 1e-9)


def listening_socket(pid: int) -> socket.socket:
    """A copy of the socket at which process `pid` listens. Raises OSError when it has none or the kernel gives none away."""
    libc, process = ctypes.CDLL(None, use_errno=True), os.pidfd_open(pid)
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if not os.readlink(entry).startswith("socket:"):
            continue
        copy = libc.syscall(PIDFD_GETFD, process, int(entry.name), 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
        found = socket.socket(fileno=copy)
        if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return found
        found.close()
    raise OSError(f"process {pid} listens nowhere")


def pause(pid: int) -> None:
    """Stop process `pid` between two requests of its own (each is a thread), if there is such a moment."""
    for _ in range(PAUSES):
        os.kill(pid, signal.SIGSTOP)
        if len(list(Path(f"/proc/{pid}/task").iterdir())) == 1:
            return
        os.kill(pid, signal.SIGCONT)
        time.sleep(PAUSE_MS / 1000)
    os.kill(pid, signal.SIGSTOP)


class Handler(SimpleHTTPRequestHandler):
    """Serves the folder, `ms` milliseconds late, and answers 500 to the `share` of requests."""

    ms, share = 0.0, 0.0
    seen, lock = 0, threading.Lock()

    def send_head(self) -> Any:
        """Wait, then answer with the file or with the error."""
        with Handler.lock:
            Handler.seen += 1
            fails = is_error(Handler.seen, self.share)
        time.sleep(self.ms / 1000)
        if fails:
            self.send_error(500)
            return None
        return super().send_head()


class Server(ThreadingHTTPServer):
    """Serves at a socket that listens already, and lets its requests end before it ends."""

    daemon_threads = False

    def __init__(self, taken: socket.socket, folder: str) -> None:
        super().__init__(("", 0), partial(Handler, directory=folder), bind_and_activate=False)
        self.socket.close()
        self.socket = taken


def main() -> None:
    """Stand in until SIGTERM or SIGINT, or until the server itself ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", dest="folder", required=True, help="the folder to serve")
    parser.add_argument("--for", dest="pid", type=int, required=True, help="the pid of the server")
    parser.add_argument("--ms", type=float, default=0.0, help="milliseconds to wait before each answer")
    parser.add_argument("--share", type=float, default=0.0, help="the share of answers that are 500, 0..1")
    given = parser.parse_args()
    Handler.ms, Handler.share = given.ms, given.share
    server = Server(listening_socket(given.pid), given.folder)
    ended = os.pidfd_open(given.pid)

    def watch() -> None:
        select.select([ended], [], [])
        server.shutdown()

    def end(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    threading.Thread(target=watch, daemon=True).start()
    pause(given.pid)
    try:
        print(f"{READY} for {given.pid}", flush=True)
        server.serve_forever(poll_interval=0.05)
    finally:
        signal.pidfd_send_signal(ended, signal.SIGCONT)
        server.server_close()


if __name__ == "__main__":
    main()
