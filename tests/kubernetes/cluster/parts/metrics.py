"""The metrics API, which `kubectl top` and autoscalers read: metrics-server, as a program on the first node."""

from __future__ import annotations

from tests.kubernetes.cluster.binaries import METRICS_SERVER, program
from tests.kubernetes.cluster.layout import CONTROL_NODE
from tests.kubernetes.cluster.node import Program
from tests.kubernetes.cluster.parts.model import Part, Setting, service
from unioneyes.kernel.problems import Problem

_PORT = 4443
_API = "v1beta1.metrics.k8s.io"


def _start(setting: Setting) -> None:
    address, admin = setting.cluster.addresses.node(CONTROL_NODE), setting.credentials.kubeconfig("admin")
    command = (
        str(program("metrics-server")),
        f"--secure-port={_PORT}",
        f"--bind-address={address}",
        f"--cert-dir={setting.cluster.layout.data / 'metrics'}",
        f"--kubeconfig={admin}",
        f"--authentication-kubeconfig={admin}",
        f"--authorization-kubeconfig={admin}",
        f"--kubelet-certificate-authority={setting.credentials.authority}",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-use-node-status-port",
        "--kubelet-request-timeout=5s",
        "--metric-resolution=10s",
    )
    setting.cluster.node(CONTROL_NODE).want(Program(name="metrics-server", command=command))
    setting.kubectl.apply(
        *service("metrics-server", address=address, ports={"https": ("TCP", 443, _PORT)}),
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": _API},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "service": {"name": "metrics-server", "namespace": "kube-system"},
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {
                "name": "system:aggregated-metrics-reader",
                "labels": {f"rbac.authorization.k8s.io/aggregate-to-{role}": "true" for role in ("view", "edit", "admin")},
            },
            "rules": [{"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}],
        },
    )


def _ready(setting: Setting) -> bool:
    try:
        said = setting.kubectl("get", "apiservice", _API, "--output=jsonpath={.status.conditions[?(@.type=='Available')].status}")
    except Problem:
        return False
    return said == "True"


METRICS = Part(name="metrics", does="the metrics API (kubectl top, autoscaling)", families=(METRICS_SERVER,), start=_start, ready=_ready)
