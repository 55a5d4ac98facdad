"""The daemons of tasks 2 and 4, dnsmasq and nginx, each with the learner's own configuration file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from posixpath import dirname, join

from ..errors import ConfigRejected, MissingProgram, ServiceError
from ..lab import Lab
from .base import Daemon, Running


class Dnsmasq(Daemon):
    """dnsmasq with ~/dnsmasq.conf."""

    title = program = "dnsmasq"
    task = 2
    # dnsmasq(8), --pid-file: the default.
    pid_file = "/run/dnsmasq.pid"
    place = ("udp", "127.0.0.1", 53)
    service_sign = "/run/dnsmasq/dnsmasq.pid"
    log_files = ("/var/log/dnsmasq.log",)
    config_file = "~/dnsmasq.conf"

    @property
    def start_command(self) -> str:
        """The command that starts it, as one types it."""
        return self._as_found[0] if self._as_found else f"dnsmasq -C {self.config_file}"

    @property
    def stop_command(self) -> str:
        """The command that stops it, as one types it."""
        return self._as_found[1] if self._as_found else super().stop_command


# One line a request: what nginx tried and what came of it (ngx_http_upstream_module, $upstream_addr and $upstream_status:
# the values of several attempts are separated by commas).
LOG_FORMAT = "log_format attempts '$msec|$status|$upstream_addr|$upstream_status';"
VARIED = "/tmp/varied.conf"
# A directive of a configuration: its words, and what stands in its braces, None without any.
Directive = tuple[list[str], "list[Directive] | None"]
TOKEN = re.compile(r"""[ \t\r\n]+|\#[^\n]*|([{};]|(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\$\{[^}]*\}|\\.|[^\s{};"'\\])+)""", re.S)
SECTION = re.compile(r"^# configuration file (.+):$", re.M)


class Nginx(Daemon):
    """nginx with ~/nginx.conf, or as it was found running.

    Its log is what it printed when it started, and /var/log/nginx/error.log where the configuration has `error_log` write
    there: Debian's nginx otherwise writes to the standard error that it was started with, and nobody keeps that.
    """

    title = program = "nginx"
    task = 4
    # As Debian's package is built: nginx -V, --pid-path.
    pid_file = "/run/nginx.pid"
    place = ("tcp", "127.0.0.1", 8888)
    service_sign = "master_process on;"
    access_log, error_log = "/var/log/nginx/access.log", "/var/log/nginx/error.log"
    log_files = (error_log,)
    config_file = "~/nginx.conf"

    def __init__(self, lab: Lab, config: str | None = None, *, file: str | None = None, pid_file: str | None = None) -> None:
        """As for every daemon; a second nginx needs a `file` and a `pid_file` of its own, which `pid` in its config names."""
        self.pid_file = pid_file or self.pid_file
        self._base: list[Directive] | None = None  # what `vary` begins from
        super().__init__(lab, config, file=file)

    @property
    def _options(self) -> str:
        """The options of the command that starts it; one that was found may have none."""
        return self._as_found[0].partition("nginx")[2].removesuffix(" &") if self._as_found else f" -c {self.config_file}"

    @property
    def start_command(self) -> str:
        """The command that starts it, as one types it."""
        return self._as_found[0] if self._as_found else f"nginx{self._options}"

    @property
    def stop_command(self) -> str:
        """The command that stops it, as one types it."""
        return self._as_found[1] if self._as_found else f"nginx{self._options} -s stop"

    def typed(self, found: Running) -> str:
        """The command that starts one like `found`: nginx's title shows its command line without the quotes."""
        command = " ".join(found.arguments).removeprefix("nginx: master process ").strip()
        command = re.sub(r"-g (.*;)", r"-g '\1'", command)
        return command + (" &" if "daemon off" in command else "")

    def test(self) -> str:
        """Let nginx check the configuration and return its words. Raises ConfigRejected with them when it refuses."""
        command = f"nginx -t{self._options}"
        done = self.lab.run(command, check=False)
        if done.code == 127:
            raise MissingProgram("`nginx` is not installed.", words=str(done), way_out="run ./lab doctor")
        if done.code:
            raise ConfigRejected(
                f"`{command}` refused the configuration.", words=str(done), way_out="mend the line that it names"
            )
        return str(done)

    def launch(self) -> None:
        """Check the configuration, then start, and show nothing. Raises as `test`, and PortTaken, ServiceError."""
        self.test()
        super().launch()

    def reload(self) -> None:
        """Check the configuration and let the running nginx take it over. Raises as `test`."""
        self.test()
        command = f"nginx{self._options} -s reload"
        self.record(command)
        self.lab.run(command)

    def vary(
        self, *, workers: int | None = None, fail_timeout: str | None = None, zone: bool | None = None, reuseport: bool = False
    ) -> None:
        """Go on with the configuration that nginx had when this was called first, and these changes, in /tmp/varied.conf.

        It logs the attempts (LOG_FORMAT), and has as many `workers`, this `fail_timeout` for every server of an upstream, a
        `zone` in each upstream or none, and `reuseport` where it listens; None leaves them as they are. Whoever wrote it and in
        however many files: what is changed is found by its meaning. Raises ServiceError where there is nothing to change.
        """
        pid = self.find()
        if self._base is None:
            if pid is None:
                raise ServiceError("nginx does not run: there is no configuration to vary.", way_out="start it first")
            self._base = parse(self._whole())
        tree, changes = varied(self._base, workers=workers, fail_timeout=fail_timeout, zone=zone, reuseport=reuseport)
        if pid is not None:
            self.end()
        self._as_found, self.config_file = None, VARIED
        self.configure(written(tree))
        self.say(f"nginx with your configuration and these changes, in {VARIED}:\n" + "\n".join(f"#   {one}" for one in changes))
        self.launch()
        self.lab.record(self.start_command)  # for nobody's task

    def _whole(self) -> str:
        """The configuration of the one that runs in one piece, as `nginx -T` prints it, what is included in its place."""
        done = self.lab.run(f"nginx -T -q{re.sub(r' -g .*', '', self._options)}", check=False)
        _, *parts = SECTION.split(done.stdout)
        if done.code or not parts:
            raise ConfigRejected("`nginx -T` refused the configuration.", words=str(done), way_out="mend the line that it names")
        files = dict(zip(parts[::2], parts[1::2], strict=True))
        return written(included(parse(parts[1]), files, dirname(parts[0])))


def parse(text: str) -> list[Directive]:
    """The directives of a configuration (nginx.org, "Configuration File's Structure")."""
    words = [found[1] for found in TOKEN.finditer(text) if found[1]]
    return list(block(iter(words)))


def block(words: Iterator[str]) -> Iterator[Directive]:
    """The directives up to the end of a block."""
    directive: list[str] = []
    for word in words:
        if word == "}":
            return
        if word in ("{", ";"):
            yield directive, list(block(words)) if word == "{" else None
            directive = []
        else:
            directive.append(word)


def written(tree: list[Directive], indent: str = "") -> str:
    """Directives as the text of a configuration."""
    lines = []
    for words, inner in tree:
        end = ";\n" if inner is None else f" {{\n{written(inner, indent + '    ')}{indent}}}\n"
        lines.append(f"{indent}{' '.join(words)}{end}")
    return "".join(lines)


def included(tree: list[Directive], files: dict[str, str], folder: str) -> list[Directive]:
    """Directives with the files that they include in the place of `include`."""
    whole: list[Directive] = []
    for words, inner in tree:
        if words[0] == "include" and len(words) == 2:
            pattern = join(folder, words[1].strip("\"'"))
            for name in (name for name in files if fnmatch(name, pattern)):
                whole += included(parse(files[name]), files, folder)
        else:
            whole.append((words, inner and included(inner, files, folder)))
    return whole


def varied(
    tree: list[Directive], *, workers: int | None, fail_timeout: str | None, zone: bool | None, reuseport: bool
) -> tuple[list[Directive], list[str]]:
    """Directives with the changes of `Nginx.vary`, and these as lines. Raises ServiceError where there is nothing to change."""
    changes = [f"http {{ {LOG_FORMAT} access_log {Nginx.access_log} attempts; }}"]
    servers, places = [], []

    def change(tree: list[Directive], block: str) -> list[Directive]:
        found: list[Directive] = []
        for words, inner in tree:
            name, rest = words[0], words[1:]
            if name in ("access_log", "daemon") or (name, *rest[:1]) == ("log_format", "attempts"):
                continue
            if (name == "worker_processes" and workers is not None) or (name == "zone" and block == "upstream" and zone is False):
                continue
            if name == "server" and block == "upstream" and fail_timeout:
                words = [word for word in words if not word.startswith("fail_timeout=")] + [f"fail_timeout={fail_timeout}"]
                servers.append(rest[0])
            if name == "listen" and reuseport and rest[0].endswith("8888") and rest[0] not in places:
                words = [*(word for word in words if word != "reuseport"), "reuseport"]
                places.append(rest[0])
            inner = inner if inner is None else change(inner, name)
            if name == "upstream" and zone and inner is not None and all(line[0][0] != "zone" for line in inner):
                inner = [(["zone", rest[0], "64k"], None), *inner]
            if name == "http" and inner is not None:
                inner = [(LOG_FORMAT[:-1].split(" ", 2), None), (["access_log", Nginx.access_log, "attempts"], None), *inner]
            found.append((words, inner))
        return found

    tree = change(tree, "")
    if workers is not None:
        tree = [(["worker_processes", str(workers)], None), *tree]
        changes.append(f"worker_processes {workers};")
    if fail_timeout:
        changes += [f"upstream {{ server {server} … fail_timeout={fail_timeout}; }}" for server in servers]
    if zone is not None:
        changes.append("upstream { zone … 64k; }" if zone else "upstream { } without zone")
    changes += [f"listen {place} reuseport;" for place in places]
    if fail_timeout and not servers:
        raise ServiceError(
            "Your nginx configuration has no upstream with servers: there is nothing whose fail_timeout could be changed.",
            way_out="4.1 asks for `upstream NAME { server …; server …; }` and `proxy_pass http://NAME;`",
        )
    return tree, changes
