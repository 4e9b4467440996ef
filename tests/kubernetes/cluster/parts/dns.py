"""Names of Services resolve in the cluster: CoreDNS, as a program on the first node."""

from __future__ import annotations

from tests.kubernetes.cluster.binaries import COREDNS, program
from tests.kubernetes.cluster.layout import CONTROL_NODE, DNS_SERVICE
from tests.kubernetes.cluster.node import Program
from tests.kubernetes.cluster.parts.model import Part, Setting, answers, service

_READY_PORT = 8181


def _start(setting: Setting) -> None:
    address = setting.cluster.addresses.node(CONTROL_NODE)
    corefile = setting.cluster.layout.data / "Corefile"
    corefile.write_text(
        f"""cluster.local in-addr.arpa {{
    bind {address}
    errors
    ready {address}:{_READY_PORT}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {setting.credentials.kubeconfig("admin")} unioneyes-test
        ttl 5
    }}
}}
"""
    )
    setting.kubectl.apply(*service("kube-dns", address=address, ports={"dns": ("UDP", 53, 53), "dns-tcp": ("TCP", 53, 53)}, cluster_ip=DNS_SERVICE))
    setting.cluster.node(CONTROL_NODE).want(Program(name="coredns", command=(str(program("coredns")), "-conf", str(corefile))))


DNS = Part(
    name="dns",
    does="names of Services resolve",
    families=(COREDNS,),
    start=_start,
    ready=lambda setting: answers(f"http://{setting.cluster.addresses.node(CONTROL_NODE)}:{_READY_PORT}/ready"),
)
