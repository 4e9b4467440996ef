"""Network policies hold: kube-router's firewall, as a program on each node."""

from __future__ import annotations

from tests.kubernetes.cluster.binaries import KUBE_ROUTER, program
from tests.kubernetes.cluster.layout import SERVICE_CIDR
from tests.kubernetes.cluster.node import Program
from tests.kubernetes.cluster.parts.model import Part, Setting, answers

_HEALTH_PORT = 20244


def _start(setting: Setting) -> None:
    command = (
        str(program("kube-router")),
        f"--kubeconfig={setting.credentials.kubeconfig('admin')}",
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--health-port={_HEALTH_PORT}",
    )
    for name in setting.cluster.nodes:
        setting.cluster.node(name).want(Program(name="kube-router", command=(*command, f"--hostname-override={name}")))


POLICIES = Part(
    name="policies",
    does="network policies hold",
    families=(KUBE_ROUTER,),
    start=_start,
    ready=lambda setting: all(answers(f"http://{setting.cluster.addresses.node(name)}:{_HEALTH_PORT}/healthz") for name in setting.cluster.nodes),
)
