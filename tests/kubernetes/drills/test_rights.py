"""Somebody whose rights in the cluster are few: what is missing is named with the Role to apply, before anything is started; and with it, it works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.drills.main_job.main_job import MainJob
from tests.kubernetes.cluster.lent import Lent
from tests.stack import FREE_PORTS, Said, ue
from unioneyes.environments.local.rehearsal_cluster import namespace_of
from unioneyes.environments.settings import ClusterSettings, read_settings
from unioneyes.kernel.ids import new_id

pytestmark = pytest.mark.timeout(600)
IN_CLUSTER = ("cluster", "rights", "manifests", "gateway", "registry")
NAME = "tenant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """An environment on the job's cluster, with a service account that may do nothing yet."""

    home: Path
    namespace: str
    account: str
    cluster: ClusterSettings

    def names(self, **changed: object) -> None:
        """The environment's file has its cluster like this."""
        said = self.cluster.model_dump(exclude_none=True) | changed
        lines = [f'name = "{NAME}"', "[cluster]", *(f"{key} = {json.dumps(value)}" for key, value in said.items() if value is not None)]
        (self.home / "environment.toml").write_text("\n".join([*lines, ""]))

    def ue(self, *words: str) -> Said:
        return ue(*words, "--env", NAME, "--home", str(self.home))

    def examined(self) -> dict[str, dict[str, str]]:
        """Return what the doctor finds of the cluster, by what was checked."""
        findings = json.loads(self.ue("env", "doctor", "-o", "json").out)["findings"]
        return {each["check"]: each for each in findings if each["check"] in IN_CLUSTER}


@pytest.fixture
def tenant(job: MainJob, lent: Lent, tmp_path: Path) -> Iterator[Tenant]:
    """A service account without any right, and a kubeconfig that shows its token."""
    settings, namespace, account = read_settings(job.stack.layout.settings).cluster, namespace_of(job.stack.home), new_id("tenant").lower()
    assert settings
    lent.kubectl("create", "serviceaccount", account, "--namespace", namespace)
    kubeconfig = yaml.safe_load(lent.kubectl.kubeconfig.read_text())
    token = lent.kubectl("create", "token", account, "--namespace", namespace, "--duration=1h").strip()
    kubeconfig["users"] = [{"name": kubeconfig["users"][0]["name"], "user": {"token": token}}]
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    own = tmp_path / "kubeconfig"
    own.write_text(yaml.safe_dump(kubeconfig))
    own.chmod(0o600)
    tenant = Tenant(home=home, namespace=namespace, account=account, cluster=settings.model_copy(update={"kubeconfig": str(own)}))
    tenant.names()
    yield tenant
    for where in (namespace, "envoy-gateway-system"):
        for what in ("role", "rolebinding", "serviceaccount"):
            found = lent.kubectl("get", what, "--namespace", where, "--output=name").split()
            if mine := [each for each in found if account in each]:
                lent.kubectl("delete", "--namespace", where, *mine)


def test_what_may_not_be_done_is_named_with_the_role_before_anything_is_started(tenant: Tenant) -> None:
    said = tenant.ue("env", "up", *FREE_PORTS)

    assert said.code == 3, said.err
    assert f"system:serviceaccount:{tenant.namespace}:{tenant.account} may not" in said.err
    assert f"in the namespace {tenant.namespace}: get, patch deployments.apps" in said.err
    assert "in the namespace envoy-gateway-system: list pods; get pods/proxy" in said.err
    assert "kind: Role" in said.err
    assert not list((tenant.home / "postgres").iterdir())


def test_the_doctor_gives_the_role_and_with_it_everything_is_well(tenant: Tenant, lent: Lent) -> None:
    before = tenant.examined()
    assert (before["cluster"]["health"], before["rights"]["health"], before["manifests"]["health"]) == ("good", "bad", "bad")

    lent.kubectl("apply", "--filename=-", fed=before["rights"]["remedy"].partition("\n")[2])
    after = tenant.examined()

    assert {check: found["health"] for check, found in after.items()} == dict.fromkeys(IN_CLUSTER, "good"), after
    assert tenant.account in after["cluster"]["detail"]


def test_a_right_that_is_taken_away_is_named_alone(tenant: Tenant, lent: Lent) -> None:
    lent.kubectl("apply", "--filename=-", fed=tenant.examined()["rights"]["remedy"].partition("\n")[2])
    role = f"unioneyes-{tenant.account}"
    rules = json.loads(lent.kubectl("get", "role", role, "--namespace", tenant.namespace, "--output=json"))["rules"]
    fewer = [rule | {"verbs": [verb for verb in rule["verbs"] if verb != "patch"]} if rule["resources"] == ["httproutes"] else rule for rule in rules]
    lent.kubectl("patch", "role", role, "--namespace", tenant.namespace, "--type=merge", "--patch", json.dumps({"rules": fewer}))

    found = tenant.examined()["rights"]

    assert found["detail"] == (
        f"system:serviceaccount:{tenant.namespace}:{tenant.account} may not, in the namespace {tenant.namespace}: patch httproutes.gateway.networking.k8s.io"
    )


def test_what_the_manifests_have_not_made_is_named(tenant: Tenant, lent: Lent) -> None:
    empty = new_id("unioneyes-test").lower()
    lent.kubectl("create", "namespace", empty)
    try:
        tenant.names(namespace=empty, kubeconfig=str(lent.kubectl.kubeconfig))
        found = tenant.examined()
    finally:
        lent.kubectl("delete", "namespace", empty, "--wait=false")

    assert found["rights"]["health"] == "good"
    assert "no Deployment unioneyes-web-blue" in found["manifests"]["detail"]
    assert "no HTTPRoute unioneyes-web" in found["manifests"]["detail"]
    assert "no SecurityPolicy deny-list" in found["manifests"]["detail"]
    assert found["manifests"]["remedy"].startswith("kubectl apply --server-side -k k8s/overlays/")
    assert found["gateway"]["health"] == "bad"


def test_where_a_selector_leads_its_rights_are_asked_for_and_none_of_the_gateway_s(tenant: Tenant) -> None:
    tenant.names(traffic="selector", preview_url="http://preview-{colour}.example.org")

    found = tenant.examined()

    assert (found.keys() >= {"rights", "manifests"}, "gateway" in found) == (True, False)
    role, _ = yaml.safe_load_all(found["rights"]["remedy"].partition("\n")[2])
    allowed = {(*rule["apiGroups"], *rule["resources"], verb) for rule in role["rules"] for verb in rule["verbs"]}
    assert allowed >= {("", "services", "patch"), ("", "pods/proxy", "create")}
    assert not [right for right in allowed if "gateway" in right[0]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"server": "https://10.94.255.1:6443"}, "the environment's cluster is https://10.94.255.1:6443"),
        ({"context": "production"}, "has no context 'production'"),
        ({"namespace": "nowhere"}, "there is no namespace 'nowhere'"),
    ],
    ids=["another cluster", "no such context", "no such namespace"],
)
def test_a_way_that_leads_elsewhere_is_refused_before_anything_is_started(tenant: Tenant, lent: Lent, changed: dict[str, str], said: str) -> None:
    tenant.names(**{"kubeconfig": str(lent.kubectl.kubeconfig)} | changed)

    up = tenant.ue("env", "up", *FREE_PORTS)

    assert (up.code, said in up.err) == (3, True), up.err
    assert not list((tenant.home / "postgres").iterdir())


def test_a_token_that_has_expired_is_named(tenant: Tenant) -> None:
    own = Path(tenant.cluster.kubeconfig or "")
    own.write_text(own.read_text().replace("token: ", "token: no"))

    found = tenant.examined()["cluster"]

    assert found["health"] == "bad"
    assert "the credentials have expired, or belong to another cluster" in found["detail"]


def test_a_registry_that_has_no_image_yet_is_named(tenant: Tenant) -> None:
    tenant.names(images=f"{tenant.cluster.images}-nobody-pushed")

    found = tenant.examined()["registry"]

    assert found["health"] == "bad"
    assert "has no image of 1.0.0" in found["detail"]
