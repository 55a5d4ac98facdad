"""The mutation table: small changes to a right work, with the one requirement that each must fail, or none.

A change is (file, text) for a whole file, (file, None) for none, (file, old, new) for a part of one.
"""

from dataclasses import dataclass
from pathlib import Path

Change = tuple[str, str | None] | tuple[str, str, str]

PAGE1 = "<h1>Response from Backend Server 1</h1>\n"
PAGE2 = "<h2>*** Response from Backend Server 2 ***</h2>\n"
SERVER1 = "python3 -m http.server 8081 -d ~/backend1 &\n"
SERVER2 = "python3 -m http.server 8082 -d ~/backend2 &\n"
NAME = "my-awesome-highload-app.local"
RECORD1, RECORD2 = f"host-record={NAME},127.0.0.1\n", f"host-record={NAME},127.0.0.2\n"
INTERFACE = "ip link add dummy1 type dummy\nip addr add 192.168.100.1/32 dev dummy1\nip link set dummy1 up\n"
SERVICE = "ipvsadm -A -t 192.168.100.1:80 -s rr\n"
REAL1 = "ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m\n"
REAL2 = "ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m\n"
ACTIVE, BACKUP = "server 127.0.0.1:8081 max_fails=7 fail_timeout=30s;", "server 127.0.0.1:8082 backup;"
LISTEN = "listen 127.0.0.1:8888;"
ASKED, GIVEN = "proxy_set_header X-high-load-test 123;", "add_header X-high-load-test 123 always;"
NGINX = f"""\
events {{}}
http {{
    upstream pool {{
        {ACTIVE}
        {BACKUP}
    }}
    server {{
        {LISTEN}
        location / {{
            proxy_pass http://pool;
            {ASKED}
            {GIVEN}
        }}
    }}
}}
"""
# As people keep a server alive without a service manager: whatever ends it, it comes again.
FOR_EVER = "".join(
    f"while true; do python3 -m http.server 808{n} -d ~/backend{n}; sleep 0.2; done >/dev/null 2>&1 &\n" for n in (1, 2)
)
RIGHT = {
    "backend1/index.html": PAGE1,
    "backend2/index.html": PAGE2,
    "task1.sh": SERVER1 + SERVER2,
    "dnsmasq.conf": "no-resolv\nno-hosts\n" + RECORD1 + RECORD2,
    "task2.sh": "dnsmasq -C ~/dnsmasq.conf\n",
    "task3.sh": INTERFACE + SERVICE + REAL1 + REAL2,
    "nginx.conf": NGINX,
    "task4.sh": "nginx -c ~/nginx.conf\n",
    "answers.md": "## 2.3\nNothing happens to the records: dnsmasq has no health check and goes on handing out both.\n",
}


@dataclass(frozen=True)
class Work:
    """A work made from the right one: what it is called, its task, the requirement that must fail ("" for none), the changes."""

    name: str
    task: int
    fails: str
    changes: tuple[Change, ...]

    @property
    def id(self) -> str:
        """What the tests call it."""
        return f"{self.fails}-{self.name}" if self.fails else f"{self.task}-right-{self.name}"

    def files(self) -> dict[str, str]:
        """The texts of its files. Raises LookupError for a change that changes nothing."""
        files: dict[str, str] = dict(RIGHT)
        for file, *parts in self.changes:
            before = files.pop(file, "")
            if len(parts) == 2 and parts[0] not in before:
                raise LookupError(f"{self.name}: {file} does not hold {parts[0]!r}")
            after = before.replace(parts[0] or "", parts[1] or "") if len(parts) == 2 else parts[0]
            if after is not None:
                files[file] = after
        return files

    def write(self, folder: Path) -> Path:
        """Write it into `folder`, with both backends' folders even when they are empty, and return that."""
        files = self.files()
        for name in ("backend1", "backend2"):
            if any(file == f"{name}/index.html" and text is None for file, text, *_ in self.changes):
                (folder / name).mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(text.encode())
        return folder


def wrong(name: str, requirement: str, *changes: Change) -> Work:
    """A work in which exactly `requirement` must fail."""
    return Work(name, int(requirement[0]), requirement, changes)


def right(name: str, task: int, *changes: Change) -> Work:
    """A work of another make that must get every automatic point of `task`."""
    return Work(name, task, "", changes)
