"""The daemons of tasks 2 and 4, dnsmasq and nginx, each with the learner's own configuration file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from posixpath import dirname, join

from ..errors import ConfigRejected, ServiceError
from .base import MEND, Daemon, Running, ran


class Dnsmasq(Daemon):
    """dnsmasq with ~/dnsmasq.conf."""

    title = program = "dnsmasq"
    task = 2
    starting = "dnsmasq -C {file}"
    config_file = "~/dnsmasq.conf"
    # dnsmasq(8), --pid-file: the default.
    pid_file = "/run/dnsmasq.pid"
    log_files = ("/var/log/dnsmasq.log",)
    place = ("udp", "127.0.0.1", 53)
    service_sign = "/run/dnsmasq/dnsmasq.pid"


# One line a request: what nginx tried and what came of it (ngx_http_upstream_module, $upstream_addr and $upstream_status:
# the values of several attempts are separated by commas).
LOG_FORMAT = "log_format attempts '$msec|$status|$upstream_addr|$upstream_status';"
VARIED = "/tmp/varied.conf"


class Nginx(Daemon):
    """nginx with ~/nginx.conf, or as it was found running.

    Its log is what it printed when it started, and /var/log/nginx/error.log where the configuration has `error_log` write
    there: Debian's nginx otherwise writes to the standard error that it was started with, and nobody keeps that.
    """

    title = program = "nginx"
    task = 4
    starting, stopping = "nginx -c {file}", "nginx -c {file} -s stop"
    config_file = "~/nginx.conf"
    # As Debian's package is built: nginx -V, --pid-path.
    pid_file = "/run/nginx.pid"
    access_log, error_log = "/var/log/nginx/access.log", "/var/log/nginx/error.log"
    log_files = (error_log,)
    place = ("tcp", "127.0.0.1", 8888)
    service_sign = "master_process on;"
    _base: Tree | None = None  # what `vary` begins from

    @property
    def _options(self) -> str:
        """The options of the command that starts it; one that was found may have none."""
        return self.start_command.partition("nginx")[2].removesuffix(" &")

    def typed(self, found: Running) -> str:
        """Return the command that starts one like `found`: nginx's title shows its command line without the quotes."""
        command = " ".join(found.arguments).removeprefix("nginx: master process ").strip()
        command = re.sub(r"-g (.*;)", r"-g '\1'", command)
        return command + (" &" if "daemon off" in command else "")

    def test(self) -> str:
        """Let nginx check the configuration and return its words. Raises ConfigRejected with them, MissingProgram."""
        return ran(self.lab, f"nginx -t{self._options}")

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
        self, *, workers: int | None = None, fail_timeout: str | None = None,
        zone: bool | None = None, reuseport: bool = False,
    ) -> None:  # fmt: skip
        """Go on with the configuration that nginx had when this was called first, and these changes, in /tmp/varied.conf.

        It logs the attempts (LOG_FORMAT), and has as many `workers`, this `fail_timeout` for every server of an upstream, a
        `zone` in each upstream or none, and `reuseport` where it listens; None leaves them as they are. Whoever wrote it and in
        however many files: what is changed is found by its meaning. Raises ServiceError where there is nothing to change.
        """
        pid = self.find()
        if self._base is None:
            if pid is None:
                tried = "nginx does not run: there is no configuration to vary."
                raise ServiceError(tried, way_out="start it first")
            self._base = self._whole()
        tree, changes = varied(self._base, workers, fail_timeout, zone, reuseport)
        if pid is not None:
            self.end()
        self._use(VARIED)
        self.configure(written(tree))
        said = [f"nginx with your configuration and these changes, in {VARIED}:", *changes]
        self.say("\n#   ".join(said))
        self.launch()
        self.lab.record(self.start_command)  # for nobody's task

    def _whole(self) -> Tree:
        """Return the configuration of the one that runs, as `nginx -T` prints it, what is included in its place."""
        done = self.lab.run(f"nginx -T -q{re.sub(r' -g .*', '', self._options)}", check=False)
        _, *parts = re.split(r"^# configuration file (.+):$", done.stdout, flags=re.M)
        if done.code or not parts:
            tried = "`nginx -T` refused the configuration."
            raise ConfigRejected(tried, words=str(done), way_out=MEND)
        return parsed(parts[1], dict(zip(parts[::2], parts[1::2], strict=True)), dirname(parts[0]))


# A directive of a configuration: its words, and what stands in its braces, None without any.
Directive = tuple[list[str], "list[Directive] | None"]
Tree = list[Directive]
TOKEN = re.compile(r"""[ \t\r\n]+|\#[^\n]*|([{};]|(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\$\{[^}]*\}|\\.|[^\s{};"'\\])+)""", re.S)


def parsed(text: str, files: Mapping[str, str], folder: str) -> Tree:
    """Return the directives of a configuration (nginx.org, "Configuration File's Structure").

    What is included from `files` (path: text), by patterns that begin in `folder`, stands in the place of `include`.
    """

    def block(words: Iterator[str]) -> Iterable[Directive]:
        directive: list[str] = []
        for word in words:
            if word == "}":
                return
            if word == "{":
                yield directive, list(block(words))
            elif word == ";" and directive[0] == "include" and len(directive) == 2:
                pattern = join(folder, directive[1].strip("\"'"))
                for name in files:
                    if fnmatch(name, pattern):
                        yield from parsed(files[name], files, folder)
            elif word == ";":
                yield directive, None
            directive = [] if word in "{;" else [*directive, word]

    return list(block(found[1] for found in TOKEN.finditer(text) if found[1]))


def written(tree: Tree, indent: str = "") -> str:
    """Return directives as the text of a configuration."""
    lines = []
    for words, inner in tree:
        end = ";\n" if inner is None else f" {{\n{written(inner, indent + '    ')}{indent}}}\n"
        lines.append(f"{indent}{' '.join(words)}{end}")
    return "".join(lines)


def varied(
    tree: Tree, workers: int | None, fail_timeout: str | None, zone: bool | None, reuseport: bool
) -> tuple[Tree, list[str]]:
    """Return directives with the changes of `Nginx.vary`, and these as lines. Raises ServiceError where there are none."""
    ours = ["access_log", Nginx.access_log, "attempts"]
    log = [(LOG_FORMAT[:-1].split(" ", 2), None), (ours, None)]
    servers, places = [], []

    def change(tree: Tree, block: str) -> Iterator[Directive]:
        for words, inner in tree:
            name, rest = words[0], words[1:]
            ours = name in ("access_log", "daemon") or words[:2] == ["log_format", "attempts"]
            ours |= name == "worker_processes" and workers is not None
            if ours or (name == "zone" and block == "upstream" and zone is False):
                continue
            if name == "server" and block == "upstream" and fail_timeout:
                words = [word for word in words if not word.startswith("fail_timeout=")]
                words.append(f"fail_timeout={fail_timeout}")
                servers.append(rest[0])
            new = name == "listen" and reuseport and rest[0] not in places
            if new and rest[0].endswith("8888"):
                words = [*(word for word in words if word != "reuseport"), "reuseport"]
                places.append(rest[0])
            inside = None if inner is None else list(change(inner, name))
            if inside is not None and name == "http":
                inside = [*log, *inside]
            elif name == "upstream" and zone and inside and all(one[0][0] != "zone" for one in inside):
                inside = [(["zone", rest[0], "64k"], None), *inside]
            yield words, inside

    changed = list(change(tree, ""))
    changes = [f"http {{ {LOG_FORMAT} access_log {Nginx.access_log} attempts; }}"]
    if workers is not None:
        changed = [(["worker_processes", str(workers)], None), *changed]
        changes.append(f"worker_processes {workers};")
    new = f"fail_timeout={fail_timeout}"
    changes += [f"upstream {{ server {server} … {new}; }}" for server in servers]
    if zone is not None:
        changes.append("upstream { zone … 64k; }" if zone else "upstream { } without zone")
    changes += [f"listen {place} reuseport;" for place in places]
    if fail_timeout and not servers:
        raise ServiceError(
            "Your nginx configuration has no upstream with servers: there is nothing whose fail_timeout could be changed.",
            way_out="4.1 asks for `upstream NAME { server …; server …; }` and `proxy_pass http://NAME;`",
        )
    return changed, changes
