"""Secrets out of Kubernetes' API: the simulator's, and the real one where the test cluster was built."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.contract.secrets.clusters import BUILT, READER, STRANGER, Kubernetes, real, simulated
from unioneyes.adapters.kubernetes import KubernetesSecrets, find_access
from unioneyes.adapters.kubernetes.access import NoAccess
from unioneyes.environments.secrets import resolve
from unioneyes.ports.secrets import ProviderUnavailable, SecretReference, SecretUnresolved

CLUSTERS = {"simulator": simulated, **({"api-server": real} if BUILT else {})}


@pytest.fixture(scope="module", params=CLUSTERS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    with CLUSTERS[request.param](tmp_path_factory.mktemp("kubernetes")) as running:
        yield running


def reader(variables: Mapping[str, str], mounted: Path = Path("/nowhere")) -> Callable[[str], str]:
    secrets = KubernetesSecrets(lambda: find_access(variables, mounted=mounted))
    return lambda path: secrets.resolve(SecretReference.parse(f"secret://kubernetes/{path}")).get_secret_value()


def test_a_key_is_read_as_the_pod_s_service_account_whose_token_is_read_anew(cluster: Kubernetes) -> None:
    variables, mounted = cluster.pod()
    read = reader(variables, mounted)

    assert read("ops/slack#bot.token") == "xoxb-canary-0f2e"
    assert read("ops/slack#multi") == "two\nlines\n", "as it is kept, for `kubectl create secret --from-literal` adds no line end"
    (mounted / "token").write_text(STRANGER)
    with pytest.raises(SecretUnresolved, match="does not know who asks"):
        read("ops/slack#bot.token")


def test_a_key_is_read_by_a_kubeconfig_with_a_token_and_with_a_file_that_holds_it(cluster: Kubernetes) -> None:
    (cluster.folder / "token").write_text(f"{READER}\n")

    assert reader(cluster.kubeconfig({"token": READER}))("ops/slack#bot.token") == "xoxb-canary-0f2e"
    assert reader(cluster.kubeconfig({"tokenFile": "token"}))("ops/slack#bot.token") == "xoxb-canary-0f2e"
    assert reader(cluster.kubeconfig({"token": READER}, **{"certificate-authority": "authority.pem"}))("ops/slack#bot.token") == "xoxb-canary-0f2e"


def test_a_key_is_read_by_a_client_certificate_which_is_left_on_no_disk(cluster: Kubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = cluster.client or cluster.authority.issue("reader")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    inline = {
        "client-certificate-data": base64.b64encode(issued.certificate.read_bytes()).decode(),
        "client-key-data": base64.b64encode(issued.key.read_bytes()).decode(),
    }
    files = {"client-certificate": issued.certificate.name, "client-key": issued.key.name}
    for user in (inline, files):
        read = reader(cluster.kubeconfig(user))
        if cluster.client:
            assert read("ops/slack#bot.token") == "xoxb-canary-0f2e"
        else:  # the simulator knows tokens only, and the handshake went well
            with pytest.raises(SecretUnresolved, match="does not know who asks"):
                read("ops/slack#bot.token")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("ops/gone#key", "there is no Secret 'gone' in the namespace 'ops'"),
        ("ops/others#key", "who asks may not read it"),
        ("elsewhere/slack#key", "who asks may not read it"),
        ("ops/slack#other", "the Secret has no key 'other'; it has: bot.token, multi"),
        ("ops/empty#key", "the Secret has no key 'key'; it has: none"),
        ("ops/binary#key", "no text in UTF-8"),
        ("ops/slack", "names no Secret of Kubernetes"),
        ("slack#key", "names no Secret of Kubernetes"),
        ("ops/a/b#key", "names no Secret of Kubernetes"),
        ("ops/../x#key", "names no Secret of Kubernetes"),
    ],
)
def test_what_leads_to_no_secret_is_said_with_what_to_do(cluster: Kubernetes, path: str, said: str) -> None:
    with pytest.raises(SecretUnresolved, match=said) as refused:
        reader(cluster.kubeconfig({"token": READER}))(path)

    assert refused.value.remedy
    assert READER not in str(refused.value)
    assert "canary" not in str(refused.value)


def test_the_whole_provider_is_asked_by_a_reference(cluster: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig({"token": READER})["KUBECONFIG"])
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    assert resolve(SecretReference.parse("secret://kubernetes/ops/slack#bot.token")).get_secret_value() == "xoxb-canary-0f2e"


def test_nothing_is_told_to_a_server_that_another_authority_vouches_for(cluster: Kubernetes, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    with pytest.raises(ProviderUnavailable, match=r"does not answer \(ConnectError\)"):
        reader(cluster.kubeconfig({"token": READER}, **{"certificate-authority": str(stranger.file)}))("ops/slack#bot.token")


def test_a_server_that_says_nothing_holds_nobody_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        cluster = Kubernetes(server=f"https://127.0.0.1:{deaf.getsockname()[1]}", authority=Authority(tmp_path, "a"), folder=tmp_path)
        secrets = KubernetesSecrets(lambda: find_access(cluster.kubeconfig({"token": READER}), mounted=tmp_path), time_limit=timedelta(seconds=0.3))
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable, match="does not answer"):
            secrets.resolve(SecretReference.parse("secret://kubernetes/ops/slack#x"))

    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file or directory"),
        ("clusters: [", "is no kubeconfig"),
        ("current-context: a\nclusters: []\nusers: []\ncontexts: []\n", "its current context names what is not in it"),
        ("clusters: []\n", "current-context: Field required"),
    ],
)
def test_what_is_no_kubeconfig_is_said(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "config").write_text(text)
    with pytest.raises(NoAccess, match=said):
        find_access({"KUBECONFIG": str(tmp_path / "config")}, mounted=tmp_path / "no")


@pytest.mark.parametrize(
    ("user", "said"), [({}, "neither a token nor a client certificate"), ({"client-certificate-data": "%%", "client-key-data": "%%"}, "Error")]
)
def test_a_kubeconfig_that_says_not_who_asks_is_refused(tmp_path: Path, user: dict[str, str], said: str) -> None:
    cluster = Kubernetes(server="https://127.0.0.1:9", authority=Authority(tmp_path, "a"), folder=tmp_path)
    with pytest.raises(NoAccess, match=said):
        find_access(cluster.kubeconfig(user), mounted=tmp_path / "no")


def test_a_server_without_tls_is_refused(tmp_path: Path) -> None:
    cluster = Kubernetes(server="http://127.0.0.1:9", authority=Authority(tmp_path, "a"), folder=tmp_path)
    with pytest.raises(NoAccess, match="server: String should match pattern"):
        find_access(cluster.kubeconfig({"token": READER}), mounted=tmp_path / "no")
