"""Two Kubernetes to read secrets from: the simulator, and the real API server where its programs are at hand."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from tests.certificates import Authority, Issued
from tests.kubernetes.cluster.binaries import program
from unioneyes.simulators.kubernetes import Cluster
from unioneyes.simulators.serving import served

BUILT = program("etcd").exists() and program("kube-apiserver").exists()
"""The test cluster's programs are at hand; the suite runs on them too then."""
READER, STRANGER, ADMIN = "token-of-the-reader", "token-of-nobody", "token-of-the-admin"
READABLE = ("slack", "binary", "empty", "gone")
SECRETS: Mapping[str, dict[str, bytes]] = {
    "slack": {"bot.token": b"xoxb-canary-0f2e", "multi": b"two\nlines\n"},
    "binary": {"key": b"\xff\xfe\x00"},
    "empty": {},
    "others": {"key": b"canary-of-others"},
}
NAMESPACE = "ops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubernetes:
    """One API server, as a test reaches it."""

    server: str
    authority: Authority
    folder: Path
    client: Issued | None = None
    """A client certificate that it knows as the reader; None where it knows tokens only."""

    def kubeconfig(self, user: Mapping[str, str], **cluster: str) -> dict[str, str]:
        """Return the variables that name a kubeconfig with this user."""
        trusted = cluster or {"certificate-authority-data": base64.b64encode(self.authority.file.read_bytes()).decode()}
        file = self.folder / "kubeconfig"
        file.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "ops",
                    "preferences": {},
                    "clusters": [{"name": "c", "cluster": {"server": self.server, **trusted}}],
                    "users": [{"name": "other", "user": {"token": "x"}}, {"name": "u", "user": dict(user)}],
                    "contexts": [{"name": "ops", "context": {"cluster": "c", "user": "u"}}],
                }
            )
        )
        return {"KUBECONFIG": str(file)}

    def pod(self) -> tuple[dict[str, str], Path]:
        """Return the variables and the folder that a pod of the reader's service account has."""
        mounted = self.folder / "serviceaccount"
        mounted.mkdir(exist_ok=True)
        (mounted / "token").write_text(READER)
        (mounted / "ca.crt").write_bytes(self.authority.file.read_bytes())
        host, _, port = self.server.removeprefix("https://").rpartition(":")
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}, mounted


@contextmanager
def simulated(folder: Path) -> Iterator[Kubernetes]:
    """Give the simulator."""
    authority = Authority(folder, "authority")
    shown = authority.issue("127.0.0.1")
    cluster = Cluster(
        may_read={READER: frozenset((NAMESPACE, name) for name in READABLE), ADMIN: frozenset()},
        secrets={(NAMESPACE, name): dict(data) for name, data in SECRETS.items()},
    )
    with served(lambda _: cluster.application(), certificate=shown.certificate, key=shown.key) as url:
        yield Kubernetes(server=url, authority=authority, folder=folder)


@contextmanager
def real(folder: Path) -> Iterator[Kubernetes]:
    """Give etcd and the API server, with the same secrets and the same rights as the simulator."""
    assert BUILT
    authority = Authority(folder, "authority")
    shown, client = authority.issue("127.0.0.1"), authority.issue("reader")
    (folder / "tokens.csv").write_text(f'{READER},reader,1\n{ADMIN},admin,2,"system:masters"\n')
    stored, peer, port = _free(), _free(), _free()
    etcd = ("--data-dir", folder / "etcd", "--listen-client-urls", f"http://127.0.0.1:{stored}", "--advertise-client-urls", f"http://127.0.0.1:{stored}")
    peers = ("--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}")
    named = ("--initial-cluster", f"default=http://127.0.0.1:{peer}")
    account = (
        "--service-account-issuer=https://kubernetes",
        f"--service-account-key-file={shown.certificate}",
        f"--service-account-signing-key-file={shown.key}",
    )
    api = (
        *(f"--etcd-servers=http://127.0.0.1:{stored}", f"--secure-port={port}", "--bind-address=127.0.0.1", "--authorization-mode=RBAC"),
        *(f"--tls-cert-file={shown.certificate}", f"--tls-private-key-file={shown.key}", f"--client-ca-file={authority.file}", *account),
        *(f"--token-auth-file={folder / 'tokens.csv'}", f"--cert-dir={folder}", "--service-cluster-ip-range=10.0.0.0/24"),
    )
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, words in (("etcd", (*etcd, *peers, *named)), ("kube-apiserver", api)):
            with (folder / f"{name}.log").open("wb") as log:
                running.append(subprocess.Popen([program(name), *words], stdout=log, stderr=log, cwd=folder))
        cluster = Kubernetes(server=f"https://127.0.0.1:{port}", authority=authority, folder=folder, client=client)
        _fill(cluster)
        yield cluster
    finally:
        for process in reversed(running):
            process.kill()
            process.wait()


def _fill(cluster: Kubernetes) -> None:
    """The namespace, its secrets and the reader's right are there."""

    context = ssl.create_default_context(cafile=cluster.authority.file)
    with httpx.Client(base_url=cluster.server, verify=context, headers={"Authorization": f"Bearer {ADMIN}"}, trust_env=False) as admin:
        _await_ready(admin)
        rbac, core = "/apis/rbac.authorization.k8s.io/v1", "/api/v1"
        _make(admin, f"{core}/namespaces", {"metadata": {"name": NAMESPACE}})
        for name, data in SECRETS.items():
            encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
            _make(admin, f"{core}/namespaces/{NAMESPACE}/secrets", {"metadata": {"name": name}, "data": encoded})
        rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": list(READABLE)}
        _make(admin, f"{rbac}/namespaces/{NAMESPACE}/roles", {"metadata": {"name": "read"}, "rules": [rule]})
        bound = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "read"}, "subjects": [{"kind": "User", "name": "reader"}]}
        _make(admin, f"{rbac}/namespaces/{NAMESPACE}/rolebindings", {"metadata": {"name": "read"}, **bound})


def _make(admin: httpx.Client, path: str, document: Mapping[str, object]) -> None:
    answer = admin.post(path, json=document)
    assert answer.is_success, answer.text


def _await_ready(admin: httpx.Client) -> None:
    give_up = time.monotonic() + 120
    while True:
        try:
            if admin.get("/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < give_up, "the API server does not get ready"
        time.sleep(0.2)


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
