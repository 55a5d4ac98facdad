"""The values for Kubernetes: a learner's pod, as KubeSpawner makes it of them, is valid and restricted. No cluster is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from .engine import HOUR
from .hub import HUB

PACKAGES = ["jupyterhub-kubespawner==7.1.0", "kubernetes-validate==1.37.0"]
VERSIONS = ["1.32", "1.36"]  # the oldest that the chart takes, and the newest that the package knows well
NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none, user: {}}]
current-context: none
"""
# What the chart's jupyterhub_config.py does with the values that ours set, as far as a pod is concerned.
MAKE = """
import asyncio, json, sys, yaml
import kubernetes_validate
from kubernetes_asyncio import client
from kubespawner import KubeSpawner
from traitlets.config import Config

values = yaml.safe_load(open(sys.argv[1]))
own = values["singleuser"]
storage = own["storage"]
config = Config({"KubeSpawner": {
    **values["hub"]["config"]["KubeSpawner"],
    **{name: own[given] for name, given in {"uid": "uid", "fs_gid": "fsGid", "cmd": "cmd", "environment": "extraEnv",
       "allow_privilege_escalation": "allowPrivilegeEscalation", "extra_pod_config": "extraPodConfig"}.items()},
    "mem_limit": own["memory"]["limit"], "mem_guarantee": own["memory"]["guarantee"],
    "cpu_limit": own["cpu"]["limit"], "cpu_guarantee": own["cpu"]["guarantee"],
    "image": "{name}:{tag}".format(**own["image"]),
    "volumes": list(storage["extraVolumes"].values()) + [{"name": "work", "persistentVolumeClaim": {"claimName": "work"}}],
    "volume_mounts": list(storage["extraVolumeMounts"].values()) + [{"name": "work", "mountPath": storage["homeMountPath"]}],
}})

async def pod():
    spawner = KubeSpawner(config=config, _mock=True, k8s_api_ssl_ca_cert="")
    spawner.api_token = "none"
    made = await spawner.get_pod_manifest()
    async with client.ApiClient() as api:
        return api.sanitize_for_serialization(made)

made = {"apiVersion": "v1", "kind": "Pod", **asyncio.run(pod())}
for version in sys.argv[2:]:
    kubernetes_validate.validate(made, version, strict=True)
print(json.dumps(made))
"""


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A learner's pod; Kubernetes' own schemas find nothing wrong with it."""
    folder = tmp_path_factory.mktemp("kubernetes")
    (folder / "config").write_text(NOWHERE)
    python = folder / "venv/bin/python"
    for command in (
        [sys.executable, "-m", "venv", folder / "venv"],
        [python, "-m", "pip", "install", "-q", *PACKAGES],
        [python, "-c", MAKE, HUB / "kubernetes.yaml", *VERSIONS],
    ):
        done = subprocess.run(
            list(map(str, command)), env={**os.environ, "KUBECONFIG": str(folder / "config")},
            capture_output=True, text=True, timeout=HOUR, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_pod_is_restricted(pod: Any) -> None:
    """It has all that Pod Security Standards ask of a restricted pod, and mounts nothing of the node."""
    spec = pod["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & {name for name, value in spec.items() if value}
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    containers = [*spec["containers"], *(spec.get("initContainers") or [])]
    assert len(containers) == 1
    for one in containers:
        context = one["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and not context.get("privileged")
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["runAsNonRoot"] is True and context["runAsUser"] != 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any("hostPort" in port for port in one["ports"])
    assert {kind for volume in spec["volumes"] for kind in volume.keys() - {"name"}} <= {"emptyDir", "persistentVolumeClaim"}


def test_memory_of_the_guest_has_its_place(pod: Any) -> None:
    """A lab's memory is a file in /tmp, in memory, and below the pod's limit; /dev/shm of a pod is too small for it."""
    (tmp,) = (volume["emptyDir"] for volume in pod["spec"]["volumes"] if volume["name"] == "tmp")
    assert tmp["medium"] == "Memory"
    (container,) = pod["spec"]["containers"]
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert 512 << 20 < int(tmp["sizeLimit"].removesuffix("Mi")) << 20 < int(container["resources"]["limits"]["memory"])
