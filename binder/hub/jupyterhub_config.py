"""A hub for a course on one big machine: JupyterHub, a container of the course's image for each learner, nbgrader's exchange.

README.md beside this file says how it is started and what it needs. What a course may want otherwise stands in variables:
COURSE_DATA, COURSE_IMAGE, COURSE_ADDRESS, COURSE_TEACHERS, COURSE_IDLE, COURSE_NETWORK, COURSE_SIGNUP.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import docker

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("COURSE_DATA", "/srv/course"))  # the hub's own files, the exchange, and what teachers have
IMAGE = os.environ.get("COURSE_IMAGE", "labkit")
NETWORK = os.environ.get("COURSE_NETWORK", "course")
TEACHERS = set(os.environ.get("COURSE_TEACHERS", "teacher").split(","))
IDLE = int(os.environ.get("COURSE_IDLE", "3600"))  # seconds without a key or a click, after which a container is removed
LOOK = max(IDLE // 6, 5)  # how often the hub looks for such, and what is done in a container is told it, seconds
# Each learner has a user id of their own, and with it files in the exchange that are theirs; the group is the image's.
FIRST_UID, GROUP = 20_000, 0
HOME = "/home/jovyan"

engine = docker.from_env()
c = get_config()  # noqa: F821 - JupyterHub gives it


def gateway() -> str:
    """This machine's address on the learners' network, which leads nowhere else; made when it is not there."""
    if not engine.networks.list(names=[f"^{NETWORK}$"]):
        engine.networks.create(NETWORK, driver="bridge", internal=True)
    return str(engine.networks.get(NETWORK).attrs["IPAM"]["Config"][0]["Gateway"])


def known_users(name: str, uid: int) -> Path:
    """A file in the place of /etc/passwd: the image's users, and each learner whose container was ever started."""
    path = DATA / "passwd"
    if not path.exists():
        path.write_bytes(engine.containers.run(IMAGE, ["cat", "/etc/passwd"], remove=True, network_mode="none"))
    line = f"{name}:x:{uid}:{GROUP}::{HOME}:/bin/bash\n"
    if line not in path.read_text():
        with path.open("a") as file:  # written in place: running containers have it mounted
            file.write(line)
    return path


def prepare(spawner: Any) -> None:
    """Give a container what depends on who it is for, just before it starts."""
    name, uid = spawner.user.name, FIRST_UID + spawner.user.id
    teaches = name in TEACHERS
    spawner.extra_create_kwargs = {"user": f"{uid}:{GROUP}"}
    volumes: dict[str, Any] = {
        f"{NETWORK}-{{username}}": HOME,  # a new one begins with what the image has there
        str(DATA / "exchange"): "/srv/exchange",
        str(DATA / "edition"): {"bind": "/srv/edition", "mode": "rw" if teaches else "ro"},
        str(known_users(name, uid)): {"bind": "/etc/passwd", "mode": "ro"},
        str(HERE / "nbgrader_config.py"): {"bind": "/etc/jupyter/nbgrader_config.py", "mode": "ro"},
    }
    spawner.volumes = volumes
    spawner.environment = {"USER": name, "LOGNAME": name, "JUPYTERHUB_ACTIVITY_INTERVAL": str(min(LOOK, 300))}
    if teaches:
        spawner.environment["JUPYTER_CONFIG_PATH"] = ""
        spawner.mem_limit = "4G"  # grades several works at once
        os.chown(DATA / "edition", uid, GROUP)


for folder, mode in ((DATA, 0o755), (DATA / "exchange", 0o777), (DATA / "edition", 0o755)):
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(mode)

c.JupyterHub.bind_url = os.environ.get("COURSE_ADDRESS", "http://127.0.0.1:8000")
c.JupyterHub.hub_ip = gateway()
c.JupyterHub.db_url = f"sqlite:///{DATA}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(DATA / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(DATA / "proxy.pid")

# Who may come in: a name and a password of one's own; a teacher's at once, a learner's when a teacher says so (/hub/authorize),
# or at once with COURSE_SIGNUP=open. Put your institution's authenticator in its place.
c.JupyterHub.authenticator_class = "native"
c.NativeAuthenticator.open_signup = os.environ.get("COURSE_SIGNUP") == "open"
c.Authenticator.admin_users = TEACHERS
c.Authenticator.allow_all = True

# A container without any privilege. The memory of User-Mode Linux is a file in /tmp, which is memory here, and counts.
c.JupyterHub.spawner_class = "docker"
c.DockerSpawner.image = IMAGE
c.DockerSpawner.cmd = ["jupyterhub-singleuser"]
c.DockerSpawner.pre_spawn_hook = prepare
c.DockerSpawner.network_name = NETWORK
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.name_template = f"{NETWORK}-{{username}}"
c.DockerSpawner.notebook_dir = f"{HOME}/course"
c.DockerSpawner.mem_limit = "2G"
c.DockerSpawner.cpu_limit = 2
c.DockerSpawner.extra_host_config = {
    "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"], "pids_limit": 512, "tmpfs": {"/tmp": "exec,mode=1777,size=1536m"},
}  # fmt: skip
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 300

# Containers in which nobody has done anything for a while are removed; the work is in the volume. By itself JupyterHub hears of
# what is done every five minutes, and a container in use would be removed where COURSE_IDLE is shorter.
c.JupyterHub.last_activity_interval = min(LOOK, 300)
c.JupyterHub.activity_resolution = min(LOOK, 30)
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={IDLE}", f"--cull-every={LOOK}"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    }
]
