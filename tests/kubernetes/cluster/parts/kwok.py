"""Nodes that only say that they run pods, for tests of scale: kwok, for those with the annotation `kwok.x-k8s.io/node: fake`."""

from __future__ import annotations

from tests.kubernetes.cluster.binaries import KWOK, program
from tests.kubernetes.cluster.layout import CONTROL_NODE
from tests.kubernetes.cluster.node import Program
from tests.kubernetes.cluster.parts.model import Part, Setting, answers

_PORT = 10247


def _start(setting: Setting) -> None:
    address = setting.cluster.addresses.node(CONTROL_NODE)
    stages = setting.cluster.layout.data / "stages.yaml"
    stages.write_text(setting.kubectl("kustomize", str(KWOK.folder / "kustomize" / "stage" / "fast")))
    command = (
        str(program("kwok")),
        f"--kubeconfig={setting.credentials.kubeconfig('admin')}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=40",  # a kubelet's; without one, a node is gone to the controllers
        f"--config={stages}",
        f"--node-ip={address}",
        f"--server-address={address}:{_PORT}",
    )
    setting.cluster.node(CONTROL_NODE).want(Program(name="kwok", command=command))


FAKE_NODES = Part(
    name="kwok",
    does="nodes that only say that they run pods",
    families=(KWOK,),
    start=_start,
    ready=lambda setting: answers(f"http://{setting.cluster.addresses.node(CONTROL_NODE)}:{_PORT}/healthz"),
)
