"""`./lab` sets itself up: its package step on made-up Debian and Ubuntu, and how it changes the Python environment.

The package step runs with the real apt and dpkg in a view whose /etc and /var are the test's own, on packages made here.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
LINES = [line for line in (TOP / "binder" / "apt.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
FOR_TESTS = {line.split()[0] for line in LINES if " # test" in line}
COURSE = {line.split()[0] for line in LINES} - FOR_TESTS
# What each system does not offer, of the names in binder/apt.txt.
SYSTEMS = {"Debian 12": set(), "Debian 13": set(), "Ubuntu 24.04": {"user-mode-linux", "chromium"}}
# Packages that mention what is not offered, so that apt knows the name: `apt-cache show` finds it, `apt-get install` does not.
MENTIONING = {"uml-utilities": "Suggests: user-mode-linux", "chromium-driver": "Depends: chromium"}
SERVICES = ("dnsmasq", "nginx-light")
# What the package of a service does when it is configured, by the tools of Debian.
SERVICE = """#!/bin/sh
set -e
cat >/etc/init.d/{name} <<'INIT'
#!/bin/sh
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:    $remote_fs
# Required-Stop:     $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: {name}
### END INIT INFO
echo "$1" >>/var/log/started
INIT
chmod 755 /etc/init.d/{name}
update-rc.d {name} defaults
invoke-rc.d --skip-systemd-native {name} start || exit $?
"""


def output(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


def make_repository(folder: Path, names: set[str], *, fields: dict[str, str]) -> None:
    """A flat apt repository of packages without files; `fields` has a further line of a package."""
    folder.mkdir()
    entries = []
    for name in sorted(names):
        control = f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\n"
        control += fields.get(name, "Section: net") + "\nDescription: made up\n"
        debian = folder / "build" / name / "DEBIAN"
        debian.mkdir(parents=True)
        (debian / "control").write_text(control)
        if name in SERVICES:
            (debian / "postinst").write_text(SERVICE.format(name=name))
            (debian / "postinst").chmod(0o755)
        file = folder / f"{name}.deb"
        output("dpkg-deb", "-Znone", "--root-owner-group", "--build", str(debian.parent), str(file))
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        entries.append(f"{control}Filename: ./{file.name}\nSize: {len(data)}\nSHA256: {digest}\n")
    (folder / "Packages").write_text("\n".join(entries))


class Machine:
    """A machine with the programs of this one, and nothing else of it: no packages, no settings, a repository of its own, and the
    start script in a checkout whose Python environment is whole."""

    def __init__(self, folder: Path, system: str, *, course: set[str] = COURSE, conflicting: str = "") -> None:
        self.folder = folder
        fields = dict(MENTIONING)
        if conflicting:
            fields |= {conflicting: "Conflicts: precious", "precious": "Section: admin"}
        make_repository(folder / "repository", (course | FOR_TESTS) - SYSTEMS[system] | set(fields), fields=fields)
        etc = ("apt", "alternatives", "init.d", "apparmor.d", *(f"rc{level}.d" for level in "0123456S"))
        var = ("dpkg/info", "dpkg/updates", "dpkg/triggers", "dpkg/parts", "apt/lists/partial", "log")
        here = ("var/cache/apt/archives/partial", "kernel", "sbin", "course/binder", "course/tests", "course/.venv/bin")
        for place in (*(f"etc/{name}" for name in etc), *(f"var/{name}" for name in var), *here):
            (folder / place).mkdir(parents=True)
        wanted = [line for line in LINES if line.split()[0] in course | FOR_TESTS]
        texts = {
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nlearner:x:1000:1000::/tmp:/bin/sh\n",
            "etc/group": "root:x:0:\nlearner:x:1000:\n",
            "etc/apt/sources.list": "deb [trusted=yes] copy:/repository ./\n",
            "etc/apt/apt.conf": 'APT::Sandbox::User "root";\nAPT::Update::Post-Invoke-Success "";\n',
            "var/dpkg/status": "",
            "course/binder/apt.txt": "# a comment\n" + "\n".join(wanted) + "\n",
            "course/requirements.lock": "",
        }
        for place, text in texts.items():
            (folder / place).write_text(text)
        for program in os.listdir("/usr/sbin"):  # as links, so that a file can be put there
            if program not in ("policy-rc.d", "apparmor_parser"):
                (folder / "sbin" / program).symlink_to(f"/.sbin/{program}")
        shutil.copy(TOP / "lab", folder / "course")
        self.let_python_be("/bin/true")
        # What ./lab writes into an environment that it has finished, for a checkout that it finds at /course.
        sums = output("cksum", "requirements.lock", cwd=folder / "course").strip()
        (folder / "course/.venv/lab-stamp").write_text(f"{sums} /course\n")

    def let_python_be(self, program: str) -> None:
        """Put a program in the place of the environment's Python."""
        (self.folder / "course/.venv/bin/python").unlink(missing_ok=True)
        (self.folder / "course/.venv/bin/python").symlink_to(program)

    def run(self, *command: str, user: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command there, as root (of a user namespace) or as an ordinary user without sudo."""
        own = {
            "etc": "/etc", "course": "/course", "repository": "/repository", "sbin": "/usr/sbin", "kernel": "/proc/sys/kernel",
            "var/dpkg": "/var/lib/dpkg", "var/apt": "/var/lib/apt", "var/cache": "/var/cache", "var/log": "/var/log",
        }  # fmt: skip
        view = f"bwrap --unshare-all --uid {user} --gid {user} --die-with-parent --chdir /course --ro-bind /usr /usr"
        view += " --cap-add ALL" if user == 0 else ""
        view += "".join(f" --symlink usr/{name} /{name}" for name in ("bin", "sbin", "lib", "lib64"))
        view += " --proc /proc --dev /dev --tmpfs /tmp --tmpfs /run --ro-bind /usr/sbin /.sbin"
        view += "".join(f" --bind {self.folder / place} {target}" for place, target in own.items())
        view += "".join(f" --ro-bind {place} {place}" for place in ("/etc/alternatives", "/etc/ld.so.cache"))
        view += " --clearenv --setenv PATH /usr/sbin:/usr/bin:/sbin:/bin --setenv HOME /tmp"
        full = [*view.split(), *command]
        done = subprocess.run(full, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300)
        print(done.stdout + done.stderr)
        return done

    def installed(self) -> set[str]:
        """The packages that dpkg has installed there."""
        rows = self.run("dpkg-query", "-W", "-f=${db:Status-Status} ${Package}\\n").stdout.splitlines()
        return {row.split()[1] for row in rows if row.startswith("installed ")}

    def apt_runs(self) -> int:
        """How often apt has installed something there or renewed its lists."""
        history = self.folder / "var/log/apt/history.log"
        installs = history.read_text().count("Commandline:") if history.exists() else 0
        return installs + (self.folder / "var/apt/lists").stat().st_mtime_ns


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory: dpkg waits for the disk after each package."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("system", SYSTEMS)
def test_installs_what_the_system_offers(place: Path, system: str) -> None:
    """`./lab setup` installs all that the system offers, says once what each other package is for, and tries no second time.

    `./lab test` also installs what is for the tests alone, and goes on where the system has no such package.
    """
    machine = Machine(place, system)
    first = machine.run("./lab", "setup")
    assert first.returncode == 0
    assert machine.installed() == COURSE - SYSTEMS[system]
    not_offered = re.findall(r"lab: (\S+) cannot be installed on this system; .* It is for: \S", first.stderr)
    assert set(not_offered) == COURSE & SYSTEMS[system]
    before = machine.apt_runs()
    for command in ("setup", "ps"):
        again = machine.run("./lab", command)
        assert again.returncode == 0
        assert "installing" not in again.stderr
    assert machine.apt_runs() == before
    machine.let_python_be("/bin/echo")
    assert machine.run("./lab", "test").stdout == "/course/tests/run.py\n"
    assert machine.installed() == (COURSE | FOR_TESTS) - SYSTEMS[system]


def test_a_service_never_starts_and_nothing_is_removed(place: Path) -> None:
    """The services of the packages do not start when they are installed, nor at the next boot; a package for which another one
    would have to go is left out."""
    machine = Machine(place, "Debian 12", course={*SERVICES, "tmux"}, conflicting="tmux")
    machine.run("apt-get", "update")
    assert machine.run("apt-get", "-y", "install", "precious").returncode == 0
    done = machine.run("./lab", "setup")
    assert done.returncode == 0 and "tmux cannot be installed" in done.stderr
    assert machine.installed() == {*SERVICES, "precious"}
    assert {"dnsmasq", "nginx-light"} <= {file.name for file in (place / "etc/init.d").iterdir()}
    assert not (place / "var/log/started").exists()
    assert [link.name for link in (place / "etc").glob("rc[2-5].d/S*")] == []
    assert not (place / "sbin/policy-rc.d").exists()


def test_a_user_without_root_is_told_what_to_ask_for(place: Path) -> None:
    """An ordinary user without sudo gets one line for an administrator, of packages that it has; then nothing stops.

    Where apt has no lists yet, all packages are in it, and none is said not to exist.
    """
    machine = Machine(place, "Ubuntu 24.04")
    refused = machine.run("./lab", "setup", user=1000)
    assert refused.returncode == 1 and "cannot be installed on this system" not in refused.stderr
    assert all(f" {name}" in refused.stderr for name in COURSE)
    machine.run("apt-get", "update")
    refused = machine.run("./lab", "setup", user=1000)
    assert refused.returncode == 1
    line = next(line for line in refused.stderr.splitlines() if "apt-get install" in line)
    assert set(line.partition("--no-install-recommends ")[2].split()) == COURSE - {"user-mode-linux"}
    assert machine.run("sh", "-c", line.removeprefix("lab:").replace("install ", "install -y ")).returncode == 0
    done = machine.run("./lab", "setup", user=1000)
    assert done.returncode == 0
    assert "user-mode-linux cannot be installed" in done.stderr
    assert "administrator" not in done.stderr


# ---- AppArmor ---------------------------------------------------------------------------------------------------------

# Stands in for AppArmor's own program, which can do nothing on a kernel without AppArmor.
PROFILE = "abi <abi/4.0>,\nprofile bwrap-labkit /usr/bin/bwrap flags=(unconfined) { userns, }\n"
PARSER = (
    '#!/bin/sh\nprintf "%s\\n" "$*" >>/var/log/parser\n[ ! -e /var/log/refuses ] || { echo "AppArmor parser error"; exit 1; }\n'
)


@pytest.fixture
def restricted(place: Path) -> Iterator[Machine]:
    """An Ubuntu 24.04 as it comes: AppArmor decides who may make user namespaces."""
    machine = Machine(place, "Ubuntu 24.04", course={"bubblewrap", "user-mode-linux"})
    (place / "kernel/apparmor_restrict_unprivileged_userns").write_text("1\n")
    (place / "sbin/apparmor_parser").write_text(PARSER)
    (place / "sbin/apparmor_parser").chmod(0o755)
    yield machine
    assert (place / "kernel/apparmor_restrict_unprivileged_userns").read_text() == "1\n"


def test_ubuntu_gets_a_profile_for_bwrap(restricted: Machine) -> None:
    """Where AppArmor restricts user namespaces, set-up loads a profile for bwrap alone, says so, and does it once.

    When AppArmor does not take the profile, its words are shown, no file stays, and set-up goes on.
    """
    log = restricted.folder / "var/log"
    (log / "refuses").touch()
    done = restricted.run("./lab", "setup")
    assert done.returncode == 0 and "AppArmor parser error" in done.stderr
    assert list((restricted.folder / "etc/apparmor.d").iterdir()) == []
    (log / "refuses").unlink()
    (log / "parser").unlink()
    for place in ("", "disable/"):  # one that is switched off does not count
        other = restricted.folder / f"etc/apparmor.d/{place}bwrap-userns-restrict"
        other.parent.mkdir(exist_ok=True)
        other.write_text("abi <abi/4.0>,\nprofile bwrap /usr/bin/bwrap flags=(attach_disconnected) {\n  userns,\n}\n")
    done = restricted.run("./lab", "setup")
    assert "/etc/apparmor.d/bwrap-labkit" in done.stderr
    assert (restricted.folder / "etc/apparmor.d/bwrap-labkit").read_text() == PROFILE
    assert "AppArmor" not in restricted.run("./lab", "setup").stderr
    assert (log / "parser").read_text() == "-r /etc/apparmor.d/bwrap-labkit\n"


def test_a_user_is_told_the_lines_of_the_profile(restricted: Machine) -> None:
    """Without root the lines to type are printed, and typing them does the same."""
    restricted.run("sh", "-c", "apt-get update && apt-get install -y bubblewrap")
    done = restricted.run("./lab", "setup", user=1000)
    assert done.returncode == 0
    lines = [line.removeprefix("lab:").replace("sudo ", "") for line in done.stderr.splitlines() if "sudo " in line]
    assert len(lines) == 2
    for line in lines:
        assert restricted.run("sh", "-c", line).returncode == 0
    assert (restricted.folder / "etc/apparmor.d/bwrap-labkit").read_text() == PROFILE
    assert "AppArmor" not in restricted.run("./lab", "setup", user=1000).stderr


@pytest.mark.parametrize("case", ["another profile", "not restricted", "no AppArmor"])
def test_no_profile_where_none_is_wanted(restricted: Machine, case: str) -> None:
    """Nothing is written where bwrap has a profile of somebody else, where namespaces are free, and in a container."""
    other = restricted.folder / "etc/apparmor.d/bwrap-userns-restrict"
    switch = restricted.folder / "kernel/apparmor_restrict_unprivileged_userns"
    match case:
        case "another profile":
            other.write_text("abi <abi/4.0>,\nprofile bwrap /usr/bin/bwrap flags=(attach_disconnected) {\n  userns,\n}\n")
        case "not restricted":
            switch.write_text("0\n")
        case "no AppArmor":
            (restricted.folder / "sbin/apparmor_parser").unlink()
    done = restricted.run("./lab", "setup")
    switch.write_text("1\n")
    assert done.returncode == 0
    assert "AppArmor" not in done.stderr
    assert not (restricted.folder / "etc/apparmor.d/bwrap-labkit").exists()


# ---- the Python environment -------------------------------------------------------------------------------------------

# Stands in for labkit: says which version of `thing` it finds, at once or, with `wait`, when it is told to.
PROGRAM = """
import sys
if "wait" in sys.argv:
    print("runs", flush=True)
    sys.stdin.readline()
import thing
print(thing.VERSION)
"""


class Checkout:
    """A checkout with the start script alone, whose lock file names one package of the test's own, in some version."""

    def __init__(self, folder: Path) -> None:
        self.here = folder / "course"
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        (self.here / "binder").mkdir(parents=True)
        (self.here / "labkit").mkdir()
        (self.here / "labkit/__main__.py").write_text(PROGRAM)
        shutil.copy(TOP / "lab", self.here)
        (self.here / "binder/apt.txt").write_text("# no packages\n")

    def lock(self, version: int, *, offered: bool = True) -> None:
        """Ask for this version; without `offered` there is no such package, as without a network."""
        wheel = self.wheels / f"thing-{version}-py3-none-any.whl"
        parts = {
            "thing.py": f"VERSION = {version}\n",
            f"thing-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: thing\nVersion: {version}\n",
            f"thing-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"thing-{version}.dist-info/RECORD": "",
        }
        with zipfile.ZipFile(wheel, "w") as file:
            for name, text in parts.items():
                file.writestr(zipfile.ZipInfo(name), text)  # without the time, so that its digest stays
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (self.here / "requirements.lock").write_text(f"thing=={version} --hash=sha256:{digest}\n")
        if not offered:
            wheel.unlink()

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in the checkout; pip has no index but the folder of wheels."""
        values = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.Popen(
            command, cwd=self.here, env=values, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def lab(self, command: str = "ps") -> tuple[int, str, str]:
        """What `./lab` came to: code, output, errors."""
        process = self.start("./lab", command)
        said, errors = process.communicate(timeout=300)
        print(said + errors)
        return process.returncode, said.strip(), errors

    def environments(self) -> list[Path]:
        """The folders of environments beside .venv."""
        return sorted(self.here.glob(".venv-*"))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout that is set up with version 1."""
    checkout = Checkout(tmp_path)
    checkout.lock(1)
    assert checkout.lab()[:2] == (0, "1")
    return checkout


# Reads through the link again and again until it is told to stop.
WATCH = """
import glob, select, sys
print("watches", flush=True)
seen = set()
while True:
    stop = select.select([sys.stdin], [], [], 0.001)[0]
    [file] = glob.glob(".venv/lib/python3*/site-packages/thing.py")
    open(".venv/lab-stamp").close()
    seen.add(open(file).read().split()[-1])
    if stop:
        print(*sorted(seen))
        break
"""


def test_a_running_program_keeps_its_environment(checkout: Checkout) -> None:
    """What runs while the lock file changes goes on with all its packages; later, only the newest environment and the one
    before it stay."""
    (checkout.here / ".venv-7/bin").mkdir(parents=True)  # unfinished
    running = checkout.start("./lab", "wait")
    assert running.stdout
    assert running.stdout.readline() == "runs\n"
    for version in (2, 3):
        checkout.lock(version)
        assert checkout.lab()[:2] == (0, str(version))
    assert running.communicate("\n", timeout=60) == ("1\n", "")
    checkout.lock(2)  # as when another branch is checked out
    assert checkout.lab() == (0, "2", "")
    things = [file.read_text() for each in checkout.environments() for file in each.glob("lib/*/site-packages/thing.py")]
    assert sorted(things) == ["VERSION = 2\n", "VERSION = 3\n"]
    assert len(checkout.environments()) == 2


def test_a_plain_folder_is_taken_as_it_is_and_replaced_when_it_is_free(checkout: Checkout) -> None:
    """An environment that an older ./lab made as a folder .venv is whole; a program that runs from it keeps it to its end."""
    (checkout.here / ".venv").unlink()
    checkout.environments()[0].rename(checkout.here / ".venv")
    before = (checkout.here / ".venv").stat().st_ino
    assert checkout.lab() == (0, "1", "")
    assert checkout.environments() == []
    running = checkout.start("./lab", "wait")
    assert running.stdout
    assert running.stdout.readline() == "runs\n"
    checkout.lock(2, offered=False)
    assert checkout.lab()[:2] == (0, "1")
    checkout.lock(2)
    assert checkout.lab()[:2] == (0, "2")
    assert (checkout.here / ".venv").lstat().st_ino == before
    assert running.communicate("\n", timeout=60) == ("1\n", "")
    assert checkout.lab() == (0, "2", "")
    assert (checkout.here / ".venv").is_symlink()
    assert len(checkout.environments()) == 1


def test_the_environment_of_before_goes_on_until_the_new_one_is_whole(tmp_path: Path) -> None:
    """When the new packages cannot be had, ./lab says so and starts with those of before; when they can be had, .venv changes in
    one step: it is never missing and never unfinished. When there is none of before, it stops with pip's words and its own."""
    checkout = Checkout(tmp_path)
    checkout.lock(1, offered=False)
    code, _, errors = checkout.lab()
    assert code == 1
    assert "No matching distribution found for thing==1" in errors and "could not be installed" in errors
    checkout.lock(1)
    assert checkout.lab()[:2] == (0, "1")
    before = checkout.environments()
    checkout.lock(2, offered=False)
    code, said, errors = checkout.lab()
    assert (code, said) == (0, "1")
    assert "going on with those of before" in errors
    assert checkout.environments() == before
    process = checkout.start(sys.executable, "-c", WATCH)
    assert process.stdout
    assert process.stdout.readline() == "watches\n"
    checkout.lock(2)
    assert checkout.lab()[:2] == (0, "2")
    assert process.communicate("\n", timeout=60) == ("1 2\n", "")
