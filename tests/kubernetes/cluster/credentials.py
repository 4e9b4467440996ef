"""Who is who in a cluster: an authority of its own, certificates for its servers, and a kubeconfig for each of its clients."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.certificates import Authority, Issued
from tests.kubernetes.cluster.layout import API_SERVICE, CONTROL_NODE, Addresses

FRONT_PROXY = "front-proxy"
"""The one client whose word the API servers behind the API server take for who asks."""
_LASTS = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files. Each client has a kubeconfig here, called like it."""

    folder: Path
    authority: Path
    """The certificate that all others are vouched for by."""
    api: Issued
    kubelet_client: Issued
    """What the API server shows to the kubelets."""
    front_proxy: Issued
    accounts: Issued
    """The key pair that service accounts' tokens are signed with: `certificate` is the public key."""

    def kubeconfig(self, client: str) -> Path:
        """Return the kubeconfig of `admin`, `controllers`, `scheduler`, `proxy` or a node's name."""
        return self.folder / f"{client}.kubeconfig"

    def kubelet(self, node: str) -> Issued:
        """Return what that node's kubelet shows to those who ask it."""
        return Issued(certificate=self.folder / f"{node}.crt", key=self.folder / f"{node}.key")


def make_credentials(folder: Path, addresses: Addresses, nodes: tuple[str, ...]) -> Credentials:
    """Return the credentials of a new cluster; they last a year."""
    folder.mkdir(mode=0o700)
    authority = Authority(folder, "authority", lasts=_LASTS)
    service = "kubernetes.default.svc"
    api = authority.issue(
        "kubernetes",
        "kubernetes.default",
        service,
        f"{service}.cluster.local",
        "localhost",
        "127.0.0.1",
        API_SERVICE,
        addresses.node(CONTROL_NODE),
        lasts=_LASTS,
    )
    credentials = Credentials(
        folder=folder,
        authority=authority.file,
        api=api,
        kubelet_client=authority.identify("kubelet-client", group="system:masters", lasts=_LASTS),
        front_proxy=authority.identify(FRONT_PROXY, group=FRONT_PROXY, lasts=_LASTS),
        accounts=_key_pair(folder),
    )
    clients = {
        "admin": ("kubernetes-admin", "system:masters"),
        "controllers": ("system:kube-controller-manager", "system:kube-controller-manager"),
        "scheduler": ("system:kube-scheduler", "system:kube-scheduler"),
        "proxy": ("system:kube-proxy", "system:kube-proxy"),
    }
    for node in nodes:
        authority.issue(node, addresses.node(node), lasts=_LASTS)
        clients[node] = (f"system:node:{node}", "system:nodes")
    for client, (user, group) in clients.items():
        _write_kubeconfig(credentials.kubeconfig(client), addresses, authority.file, authority.identify(user, group=group, lasts=_LASTS))
    return credentials


def _key_pair(folder: Path) -> Issued:
    key = generate_private_key(SECP256R1())
    pair = Issued(certificate=folder / "accounts.pub", key=folder / "accounts.key")
    pair.certificate.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    pair.key.touch(mode=0o600)
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pair


def _write_kubeconfig(file: Path, addresses: Addresses, authority: Path, client: Issued) -> None:
    name = "unioneyes-test"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": addresses.api, "certificate-authority-data": _data(authority)}}],
        "users": [{"name": name, "user": {"client-certificate-data": _data(client.certificate), "client-key-data": _data(client.key)}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(document, indent=1))


def _data(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
