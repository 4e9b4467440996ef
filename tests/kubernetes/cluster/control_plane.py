"""The control plane's programs: etcd, API server, controllers, scheduler."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.kubernetes.cluster.binaries import program
from tests.kubernetes.cluster.credentials import FRONT_PROXY, Credentials
from tests.kubernetes.cluster.layout import API_PORT, CLUSTER_CIDR, CONTROL_NODE, SERVICE_CIDR, Addresses, Layout
from tests.kubernetes.cluster.node import Program

_ETCD = "http://127.0.0.1:2379"
_QUICK = ("--kube-api-qps=300", "--kube-api-burst=500")
"""The default of 20 requests a second makes 1,000 pods take 50 s instead of 7."""


def etcd(layout: Layout) -> Program:
    """Return the store. It does not wait for the disk: what it holds is gone with the cluster anyway."""
    peers = "http://127.0.0.1:2380"
    return Program(
        name="etcd",
        command=(
            str(program("etcd")),
            "--name=etcd",
            f"--data-dir={layout.data / 'etcd'}",
            f"--listen-client-urls={_ETCD}",
            f"--advertise-client-urls={_ETCD}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=etcd={peers}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
    )


def api_server(addresses: Addresses, credentials: Credentials) -> Program:
    """Return the API server, which asks for a certificate or a service account's token, and goes by roles."""
    return Program(
        name="kube-apiserver",
        command=(
            str(program("kube-apiserver")),
            f"--etcd-servers={_ETCD}",
            f"--advertise-address={addresses.node(CONTROL_NODE)}",
            f"--secure-port={API_PORT}",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--client-ca-file={credentials.authority}",
            f"--tls-cert-file={credentials.api.certificate}",
            f"--tls-private-key-file={credentials.api.key}",
            f"--kubelet-client-certificate={credentials.kubelet_client.certificate}",
            f"--kubelet-client-key={credentials.kubelet_client.key}",
            f"--kubelet-certificate-authority={credentials.authority}",
            "--kubelet-preferred-address-types=InternalIP",  # a node's name resolves nowhere
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={credentials.accounts.certificate}",
            f"--service-account-signing-key-file={credentials.accounts.key}",
            f"--requestheader-client-ca-file={credentials.authority}",
            f"--requestheader-allowed-names={FRONT_PROXY}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={credentials.front_proxy.certificate}",
            f"--proxy-client-key-file={credentials.front_proxy.key}",
            "--enable-aggregator-routing=true",  # an API behind a Service without pods
        ),
    )


def controllers(layout: Layout, credentials: Credentials, *, node_grace: timedelta) -> Program:
    """Return the controllers. A node that says nothing for `node_grace` is gone to them, and its pods not ready."""
    return Program(
        name="kube-controller-manager",
        command=(
            str(program("kube-controller-manager")),
            *_alone(credentials.kubeconfig("controllers")),
            f"--root-ca-file={credentials.authority}",
            f"--service-account-private-key-file={credentials.accounts.key}",
            "--use-service-account-credentials=true",
            f"--cluster-cidr={CLUSTER_CIDR}",
            "--node-monitor-period=1s",
            f"--node-monitor-grace-period={node_grace.total_seconds():.0f}s",
            f"--flex-volume-plugin-dir={layout.data / 'volume-plugins'}",  # which it makes
            *_QUICK,
        ),
    )


def scheduler(credentials: Credentials) -> Program:
    """Return the scheduler."""
    return Program(
        name="kube-scheduler",
        command=(
            str(program("kube-scheduler")),
            *_alone(credentials.kubeconfig("scheduler")),
            *_QUICK,
        ),
    )


def _alone(own: Path) -> tuple[str, ...]:
    """Return the flags of a program that asks the API server, and is the only one of its kind."""
    return (
        f"--kubeconfig={own}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    )
