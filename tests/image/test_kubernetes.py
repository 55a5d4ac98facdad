"""What is there for clusters: the pods that KubeSpawner and Dask's operator make of it are valid and restricted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from .engine import HOUR
from .hub import HUB

PACKAGES = [
    "jupyterhub-kubespawner==7.1.0", "kubernetes-validate==1.37.0", "dask-kubernetes==2026.3.0", "dask-jobqueue==0.9.0",
]  # fmt: skip
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


# What the operator makes of the first document, and the others as they are.
MAKE_DASK = """
import json, sys, yaml
from pathlib import Path
import jsonschema
import kubernetes_validate
import dask_kubernetes.operator as operator
from dask_kubernetes.operator.controller import controller

cluster, *others = yaml.safe_load_all(open(sys.argv[1]))
(definition,) = Path(operator.__file__).parent.glob("deployment/helm/*/crds/daskcluster.yaml")
(known,) = yaml.safe_load(definition.read_text())["spec"]["versions"]
jsonschema.validate(cluster, known["schema"]["openAPIV3Schema"])
name, labels, spec = cluster["metadata"]["name"], cluster["metadata"]["labels"], cluster["spec"]
made = [
    controller.build_worker_deployment_spec(f"{name}-default", "grading", name, "0", spec["worker"]["spec"], {}, labels),
    controller.build_scheduler_deployment_spec(name, spec["scheduler"]["spec"], {}, labels),
    controller.build_scheduler_service_spec(name, spec["scheduler"]["service"], {}, labels),
    *others,
]
for one in made:
    for version in sys.argv[2:]:
        kubernetes_validate.validate(one, version, strict=True)
print(json.dumps(made))
"""
Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a script in a Python that has PACKAGES, and returns what it prints; it ends well."""
    folder = tmp_path_factory.mktemp("kubernetes")
    (folder / "config").write_text(NOWHERE)
    python = folder / "venv/bin/python"

    def run(*command: object) -> str:
        done = subprocess.run(
            list(map(str, command)), env={**os.environ, "KUBECONFIG": str(folder / "config")},
            capture_output=True, text=True, timeout=HOUR, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "venv", folder / "venv")
    run(python, "-m", "pip", "install", "-q", *PACKAGES)
    return lambda script, *arguments: run(python, "-c", script, *arguments)


@pytest.fixture(scope="module")
def pod(run: Run) -> Any:
    """A learner's pod; Kubernetes' own schemas find nothing wrong with it."""
    return json.loads(run(MAKE, HUB / "kubernetes.yaml", *VERSIONS))


@pytest.fixture(scope="module")
def dask(run: Run) -> list[Any]:
    """What there is for grading, valid as well: the operator's workers, scheduler and service, the teacher's pod, the policy."""
    made: list[Any] = json.loads(run(MAKE_DASK, HUB / "dask.yaml", *VERSIONS))
    assert [one["kind"] for one in made] == ["Deployment", "Deployment", "Service", "Pod", "NetworkPolicy"]
    return made


def assert_restricted(spec: Any) -> None:
    """Find all that Pod Security Standards ask of a restricted pod; a container may have a user from its pod."""
    assert not {"hostNetwork", "hostPID", "hostIPC"} & {name for name, value in spec.items() if value}
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    containers = [*spec["containers"], *(spec.get("initContainers") or [])]
    assert len(containers) == 1
    for one in containers:
        context = one["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and not context.get("privileged")
        assert context["capabilities"] == {"drop": ["ALL"]}
        context = spec["securityContext"] | context
        assert context["runAsNonRoot"] is True and context["runAsUser"] != 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any("hostPort" in port for port in one.get("ports", ()))
    assert {kind for volume in spec["volumes"] for kind in volume.keys() - {"name"}} <= {"emptyDir", "persistentVolumeClaim"}


def test_pod_is_restricted(pod: Any) -> None:
    """A learner's pod is, and mounts nothing of the node."""
    assert_restricted(pod["spec"])


BYTES = {"Mi": 1 << 20, "Gi": 1 << 30}


def in_bytes(quantity: str | int) -> int:
    """The bytes that Kubernetes' words for an amount of memory mean."""
    return quantity if isinstance(quantity, int) else int(quantity[:-2]) * BYTES[quantity[-2:]]


def test_memory_of_the_guest_has_its_place(pod: Any, dask: list[Any]) -> None:
    """A lab's memory is a file in /tmp, in memory, and below the pod's limit; /dev/shm of a pod is too small for it."""
    for spec in (pod["spec"], dask[0]["spec"]["template"]["spec"]):
        (tmp,) = (volume["emptyDir"] for volume in spec["volumes"] if volume["name"] == "tmp")
        assert tmp["medium"] == "Memory"
        (container,) = spec["containers"]
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
        assert 512 << 20 < in_bytes(tmp["sizeLimit"]) < in_bytes(container["resources"]["limits"]["memory"])


def test_what_dask_has_there_is_restricted_and_among_itself(dask: list[Any]) -> None:
    """Workers, scheduler and the teacher's pod are restricted pods of one image, which the policy holds; the service finds the
    scheduler, and its dashboard listens on its loopback alone."""
    workers, scheduler, service, teacher, policy = dask
    pods = [workers["spec"]["template"], scheduler["spec"]["template"], teacher]
    for one in pods:
        assert_restricted({"volumes": [], **one["spec"]})
        assert one["spec"]["automountServiceAccountToken"] is False
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
    assert len({container["image"] for one in pods for container in one["spec"]["containers"]}) == 1
    assert service["spec"]["selector"].items() <= scheduler["spec"]["template"]["metadata"]["labels"].items()
    said = scheduler["spec"]["template"]["spec"]["containers"][0]["args"]
    assert said[said.index("--dashboard-address") + 1].startswith("127.0.0.1:")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"] and all(rule["to"] for rule in policy["spec"]["egress"])
    read = HUB.joinpath("dask.yaml").read_text()
    assert f"--on tcp://{service['metadata']['name']}:8786" in read


def test_slurms_jobs_are_workers_of_the_image(run: Run) -> None:
    """The lines of the README give jobs of two processors, each a worker of one thread in the image."""
    (lines,) = re.findall(r"```python\n(.*?)```", (HUB / "README.md").read_text(), re.S)
    own = 'import dask; dask.config.set({"jobqueue.slurm.scheduler-options": {"host": "127.0.0.1", "dashboard_address": None}})\n'
    script = run(own + lines.replace("cluster.scale(jobs=64)", "print(cluster.job_script())"))
    assert "#SBATCH --cpus-per-task=2" in script and "--nthreads 1 " in script
    assert "labkit.sif /opt/labkit/.venv/bin/python -m distributed.cli.dask_worker tcp://127.0.0.1:" in script
