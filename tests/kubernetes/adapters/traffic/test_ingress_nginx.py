"""What `ue` files for ingress-nginx stands in a real Ingress, is put back where a real request shows something else, and is taken back whole.

The API server, the Ingress and its class are real. The controller is not: a stand-in reads the Ingress and answers as its annotations say, or does not. What
ingress-nginx itself makes of them is tested nowhere.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import yaml
from lightkube.core.resource import NamespacedResource
from pydantic import JsonValue

from tests.contract.edge.conftest import OnThisMachine
from tests.contract.edge.promises import ATTACKER, FEW, NEVER_OURS, EdgePromises
from tests.contract.fencing.late import late, taken_over
from tests.contract.processes.conftest import eventually
from tests.contract.traffic.world import Door
from tests.kubernetes.adapters.traffic.nginx import Nginx, nginx
from tests.kubernetes.cluster.kubectl import KubectlFailed
from tests.kubernetes.cluster.lent import Lent
from unioneyes.adapters.kubernetes.access import find_access
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import ClusterUnavailable
from unioneyes.adapters.kubernetes.fencing import TOKEN
from unioneyes.adapters.kubernetes.ingress_nginx import (
    BURST,
    DENIED,
    LIMITS,
    SNIPPET,
    IngressAnnotations,
    IngressMaintenance,
    IngressNginxEdge,
    NotServedByNginx,
    snippet,
)
from unioneyes.adapters.kubernetes.rights import INGRESS_NGINX, missing, role
from unioneyes.adapters.kubernetes.selector import SelectorTraffic
from unioneyes.claims.metrics import read_counters
from unioneyes.ports.edge import STRICT, BadLimit, EdgeRejected, RateLimit
from unioneyes.ports.traffic import ForeignRoutes, NotOffered, RoutesRejected

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]

NAME, WHO = "unioneyes-web", "edge-only"
AGAIN = timedelta(seconds=30)
PER_SECOND, PER_MINUTE = LIMITS.values()
THEIRS = "nginx.ingress.kubernetes.io/proxy-body-size"
_N = TypeVar("_N", bound=NamespacedResource)


class Meddled(Cluster):
    """A namespace in which somebody else annotates the Ingress just before we write."""

    meddling = True
    annotation = THEIRS

    def patch(self, kind: type[_N], name: str, change: Mapping[str, JsonValue], *, within: timedelta | None = None) -> _N:
        """See `Cluster`."""
        if self.meddling:
            self.meddling = False
            super().patch(kind, name, {"metadata": {"annotations": {self.annotation: "8m"}}})
        return super().patch(kind, name, change, within=within)


class Mute(Cluster):
    """A namespace whose API server writes what it is told once, and does not say so."""

    mute = True

    def patch(self, kind: type[_N], name: str, change: Mapping[str, JsonValue], *, within: timedelta | None = None) -> _N:
        """See `Cluster`."""
        written = super().patch(kind, name, change, within=within)
        if self.mute:
            self.mute = False
            raise ClusterUnavailable(what="the answer was lost", remedy="try again")
        return written


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated(OnThisMachine):
    """An Ingress, and a stand-in that serves it."""

    lent: Lent
    nginx: Nginx
    ingress: IngressAnnotations

    @property
    def guard(self) -> IngressNginxEdge:
        """What keeps requests away."""
        return IngressNginxEdge(ingress=self.ingress, own=NEVER_OURS)

    @property
    def traffic(self) -> SelectorTraffic:
        """What leads members."""
        return self.traffic_by(self.ingress)

    @property
    def members(self) -> Door:
        """Where requests come in."""
        return self.nginx.members

    def type(self, command: str) -> None:
        """A person types the command."""
        program, *words = shlex.split(command)
        assert program == "kubectl"
        self.lent.kubectl(*words)

    def traffic_by(self, ingress: IngressAnnotations) -> SelectorTraffic:
        return SelectorTraffic(cluster=ingress.cluster, read_counters=read_counters, maintenance=IngressMaintenance(ingress=ingress))

    def kubectl(self, *words: str) -> str:
        return self.lent.kubectl("--namespace", self.lent.namespace, *words)

    def annotate(self, change: Mapping[str, str | None]) -> None:
        """A person does."""
        self.type(self.ingress.by_hand(change))

    def filed(self) -> dict[str, str]:
        """What stands in the Ingress, but for the fencing token."""
        found = json.loads(self.kubectl("get", "ingress", NAME, "--output=json"))["metadata"].get("annotations", {})
        return {name: said for name, said in found.items() if name != TOKEN}

    def file_ingress(self, name: str, of_class: str | None) -> IngressAnnotations:
        """There is an Ingress of that class."""
        self.lent.kubectl.apply(ingress_manifest(self.lent, name, of_class))
        return replace(self.ingress, name=name)


def own_cluster(lent: Lent, kind: type[Cluster] = Cluster) -> Cluster:
    return kind(partial(find_access, kubeconfig=lent.kubectl.kubeconfig), namespace=lent.namespace)


def class_name(lent: Lent, controller: str = "nginx") -> str:
    return f"{lent.namespace}-{controller}"


def ingress_manifest(lent: Lent, name: str, of_class: str | None) -> dict[str, JsonValue]:
    backend: JsonValue = {"service": {"name": NAME, "port": {"number": 80}}}
    spec: dict[str, JsonValue] = {"defaultBackend": backend, **({"ingressClassName": of_class} if of_class else {})}
    of: JsonValue = {"name": name, "namespace": lent.namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": of, "spec": spec}


@pytest.fixture(scope="module")
def running(lent: Lent) -> Iterator[Annotated]:
    assert lent.own, "an IngressClass belongs to no namespace"
    controllers = {class_name(lent): "k8s.io/ingress-nginx", class_name(lent, "other"): "example.org/other"}
    for name, controller in controllers.items():
        lent.kubectl.apply({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name}, "spec": {"controller": controller}})
    service: JsonValue = {"selector": {"app": NAME, "version": "blue"}, "ports": [{"name": "http", "port": 80}]}
    lent.kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": lent.namespace}, "spec": service})
    lent.kubectl.apply(ingress_manifest(lent, NAME, class_name(lent)))
    cluster, of_nginx = own_cluster(lent), own_cluster(lent)
    try:
        with nginx(of_nginx, NAME) as served:
            url = f"http://{served.members.host}:{served.members.port}/"
            ingress = IngressAnnotations(cluster=cluster, name=NAME, members_url=url, settles=timedelta(seconds=1))
            yield Annotated(lent=lent, nginx=served, ingress=ingress)
    finally:
        cluster.close()
        of_nginx.close()
        lent.kubectl("delete", "ingressclass", *controllers, "--ignore-not-found")


@pytest.fixture
def guarded(running: Annotated) -> Iterator[Annotated]:
    """Nobody is kept out, and the stand-in does what is filed."""
    running.nginx.obeys, running.nginx.page = True, 200
    running.annotate(dict.fromkeys((PER_SECOND, PER_MINUTE, BURST, DENIED, SNIPPET, THEIRS)))
    eventually(lambda: not {PER_SECOND, PER_MINUTE, BURST, DENIED, SNIPPET} & running.nginx.annotations.keys())
    yield running
    running.nginx.obeys, running.nginx.page = True, 200


class TestIngressNginxEdge(EdgePromises):
    """The promises of the port, kept by annotations and whoever does what they say."""


def test_what_is_filed_is_told_to_be_no_more_than_that(guarded: Annotated) -> None:
    view = guarded.guard.limit(STRICT)
    assert guarded.filed() == {PER_SECOND: "20", BURST: "1"}
    assert view.in_force
    assert "untested" in view.note


def test_a_limit_by_the_hour_is_refused_and_nothing_written(guarded: Annotated) -> None:
    guarded.guard.limit(FEW)
    with pytest.raises(BadLimit, match="by the second or the minute"):
        guarded.guard.limit(RateLimit(requests=100, per=timedelta(hours=1)))
    assert guarded.guard.view().limit == FEW


def test_a_limit_by_which_the_page_answers_no_more_is_put_back(guarded: Annotated) -> None:
    guarded.guard.limit(STRICT)
    broken = replace(guarded.ingress, members_url="http://127.0.0.1:9/")
    with pytest.raises(EdgeRejected, match="gives no answer") as refused:
        IngressNginxEdge(ingress=broken).limit(None)
    assert "it was put back" in refused.value.remedy
    assert guarded.filed() == {PER_SECOND: "20", BURST: "1"}


def test_a_service_that_fails_under_the_attack_is_no_reason_to_put_a_limit_back(guarded: Annotated) -> None:
    guarded.nginx.page = 503
    assert guarded.guard.limit(STRICT).limit == STRICT


def test_members_are_told_of_maintenance_and_let_in_again(guarded: Annotated) -> None:
    traffic = guarded.traffic
    traffic.require_means(maintenance=True)
    with pytest.raises(NotOffered):
        traffic.require_means(shares=True)
    before = traffic.view()
    guarded.annotate({THEIRS: "8m"})
    view = traffic.enter_maintenance(retry_after=AGAIN)
    assert (view.maintenance, view.weights, view.revision == before.revision) == (True, before.weights, False)
    answer = guarded.get()
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    assert guarded.filed() == {SNIPPET: snippet(AGAIN), THEIRS: "8m"}
    assert traffic.enter_maintenance(retry_after=2 * AGAIN).maintenance, "it may be told anew"
    assert guarded.get().headers["retry-after"] == "60"
    assert traffic.leave_maintenance() == before
    assert guarded.get().status == 200
    assert traffic.leave_maintenance() == before, "safe to repeat"
    assert guarded.filed() == {THEIRS: "8m"}


def test_a_person_leads_members_into_maintenance_by_the_same_annotations(guarded: Annotated) -> None:
    for on in (True, False):
        for command in guarded.traffic.describe_maintenance(on=on):
            guarded.type(command)
        assert guarded.traffic.view().maintenance == on


def test_maintenance_that_no_member_is_told_of_is_put_back(guarded: Annotated) -> None:
    guarded.nginx.obeys = False
    with pytest.raises(RoutesRejected, match="members are not told so") as refused:
        guarded.traffic.enter_maintenance(retry_after=AGAIN)
    assert "it was put back" in refused.value.remedy
    assert guarded.filed() == {}
    assert not guarded.traffic.view().maintenance


def test_the_end_of_maintenance_that_no_member_sees_is_put_back(guarded: Annotated) -> None:
    guarded.traffic.enter_maintenance(retry_after=AGAIN)
    blind = replace(guarded.ingress, members_url="http://127.0.0.1:9/")
    with pytest.raises(RoutesRejected, match="members are still told"):
        guarded.traffic_by(blind).leave_maintenance()
    assert guarded.traffic.view().maintenance
    assert not guarded.traffic.leave_maintenance().maintenance


def test_a_snippet_of_somebody_elses_is_named_and_kept(guarded: Annotated) -> None:
    theirs = "more_set_headers 'X-Frame-Options: DENY';"
    guarded.annotate({SNIPPET: theirs})
    with pytest.raises(ForeignRoutes, match="X-Frame-Options"):
        guarded.traffic.enter_maintenance(retry_after=AGAIN)
    assert not guarded.traffic.leave_maintenance().maintenance
    guarded.guard.deny((ATTACKER,))
    assert guarded.filed() == {SNIPPET: theirs, DENIED: str(ATTACKER)}


def test_a_controller_that_takes_no_snippets_says_so(guarded: Annotated) -> None:
    with admitting_no_snippet(guarded):
        with pytest.raises(RoutesRejected, match="nothing was changed") as refused:
            guarded.traffic.enter_maintenance(retry_after=AGAIN)
        assert "allow-snippet-annotations" in refused.value.remedy
        assert "annotations-risk-level" in refused.value.remedy
        assert guarded.filed() == {}


@contextmanager
def admitting_no_snippet(guarded: Annotated) -> Iterator[None]:
    """The API server refuses snippets in this namespace, as the controller's admission webhook does."""
    api: JsonValue = "admissionregistration.k8s.io/v1"
    named: JsonValue = {"name": f"{guarded.lent.namespace}-no-snippet"}
    rule: JsonValue = {"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "resources": ["ingresses"], "operations": ["CREATE", "UPDATE"]}
    here: JsonValue = {"matchLabels": {"kubernetes.io/metadata.name": guarded.lent.namespace}}
    expression = f"!has(object.metadata.annotations) || !('{SNIPPET}' in object.metadata.annotations)"
    says: JsonValue = [{"expression": expression, "message": "Snippet directives are disabled by the Ingress administrator"}]
    policy: JsonValue = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here}, "validations": says}
    binding: JsonValue = {"policyName": f"{guarded.lent.namespace}-no-snippet", "validationActions": ["Deny"]}

    def holds() -> bool:
        _, *words = shlex.split(guarded.ingress.by_hand({SNIPPET: "# tried"}))
        try:
            guarded.lent.kubectl(*words, "--dry-run=server")
        except KubectlFailed:
            return True
        return False

    guarded.lent.kubectl.apply(
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": named, "spec": policy},
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": named, "spec": binding},
    )
    try:
        eventually(holds, within=60)
        yield
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            guarded.lent.kubectl("delete", kind, f"{guarded.lent.namespace}-no-snippet")


@pytest.mark.parametrize(
    ("of_class", "said"),
    [("other", "is served by example.org/other"), ("nobody", "which does not exist"), (None, "names no class")],
)
def test_an_ingress_that_something_else_serves_is_refused(guarded: Annotated, of_class: str | None, said: str) -> None:
    ingress = guarded.file_ingress("elsewhere", class_name(guarded.lent, of_class) if of_class else None)
    guard, traffic = IngressNginxEdge(ingress=ingress), guarded.traffic_by(ingress)
    for question in (guard.view, lambda: guard.limit(STRICT), lambda: guard.deny((ATTACKER,)), lambda: traffic.enter_maintenance(retry_after=AGAIN)):
        with pytest.raises(NotServedByNginx, match=said) as refused:
            question()
        assert "[cluster] ingress" in refused.value.remedy
    assert not traffic.view().maintenance
    assert "annotations" not in json.loads(guarded.kubectl("get", "ingress", "elsewhere", "--output=json"))["metadata"]
    guarded.kubectl("delete", "ingress", "elsewhere")


def test_an_ingress_that_does_not_exist_is_refused(guarded: Annotated) -> None:
    ingress = replace(guarded.ingress, name="nothing")
    with pytest.raises(NotServedByNginx, match="nothing"):
        IngressNginxEdge(ingress=ingress).view()
    with pytest.raises(NotServedByNginx, match="nothing"):
        guarded.traffic_by(ingress).enter_maintenance(retry_after=AGAIN)
    assert not guarded.traffic_by(ingress).view().maintenance


def test_whoever_comes_late_is_refused_by_the_ingress(guarded: Annotated) -> None:
    calls: tuple[Callable[[Annotated], object], ...] = (
        lambda its: its.guard.limit(STRICT),
        lambda its: its.guard.deny((ATTACKER,)),
        lambda its: its.traffic.enter_maintenance(retry_after=AGAIN),
        lambda its: its.traffic.leave_maintenance(),
    )
    for before in (Cluster.get.__code__, Cluster.patch.__code__):
        for call in calls:
            worker = late(partial(anew, guarded, call), before=before)
            with guarded.nginx.reading, worker as stopped:
                with taken_over():
                    guarded.guard.deny(())
                assert stopped.wake() == "fenced-off"
    assert guarded.filed() == {}


def test_what_somebody_else_writes_at_the_same_moment_is_kept(guarded: Annotated) -> None:
    cluster = own_cluster(guarded.lent, Meddled)
    guard = IngressNginxEdge(ingress=replace(guarded.ingress, cluster=cluster))
    assert guard.deny((ATTACKER,)).denied == (ATTACKER,)
    cluster.close()
    assert guarded.filed() == {DENIED: str(ATTACKER), THEIRS: "8m"}


def test_a_snippet_that_somebody_files_at_the_same_moment_is_not_written_over(guarded: Annotated) -> None:
    cluster = own_cluster(guarded.lent, Meddled)
    assert isinstance(cluster, Meddled)
    cluster.annotation = SNIPPET
    with pytest.raises(ForeignRoutes, match="8m"):
        guarded.traffic_by(replace(guarded.ingress, cluster=cluster)).enter_maintenance(retry_after=AGAIN)
    cluster.close()
    assert guarded.filed() == {SNIPPET: "8m"}


def test_a_write_of_which_nobody_knows_whether_it_came_through_is_put_back_too(guarded: Annotated) -> None:
    guarded.nginx.obeys = False
    cluster = own_cluster(guarded.lent, Mute)
    with pytest.raises(RoutesRejected, match="members are not told so"):
        guarded.traffic_by(replace(guarded.ingress, cluster=cluster)).enter_maintenance(retry_after=AGAIN)
    cluster.close()
    assert guarded.filed() == {}


def test_the_rights_that_are_told_are_enough(guarded: Annotated, tmp_path: Path) -> None:
    guarded.kubectl("create", "serviceaccount", WHO)
    kubeconfig = yaml.safe_load(guarded.lent.kubectl.kubeconfig.read_text())
    kubeconfig["users"][0]["user"] = {"token": guarded.kubectl("create", "token", WHO).strip()}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(kubeconfig))
    cluster = Cluster(partial(find_access, {}, kubeconfig=file), namespace=guarded.lent.namespace)
    guard = IngressNginxEdge(ingress=replace(guarded.ingress, cluster=cluster))
    try:
        assert missing(cluster, INGRESS_NGINX) == INGRESS_NGINX
        who = f"system:serviceaccount:{guarded.lent.namespace}:{WHO}"
        guarded.lent.kubectl("apply", "--server-side", "--filename=-", fed=role(INGRESS_NGINX, namespace=guarded.lent.namespace, who=who))
        with pytest.raises(NotServedByNginx, match=f"{WHO} may not get ingressclasses") as refused:
            guard.view()
        for command in refused.value.remedy.split(" && "):
            guarded.type(command)
        eventually(lambda: not missing(cluster, INGRESS_NGINX))
        assert guard.deny((ATTACKER,)).denied == (ATTACKER,)
        assert guard.deny(()).denied == ()
    finally:
        cluster.close()
        for kind in ("clusterrolebinding", "clusterrole"):
            guarded.lent.kubectl("delete", kind, "ue-get-ingressclasses-networking-k8s-io", "--ignore-not-found")


def anew(guarded: Annotated, call: Callable[[Annotated], object]) -> None:
    """Call something that shares no connection with anybody."""
    cluster = own_cluster(guarded.lent)
    try:
        call(replace(guarded, ingress=replace(guarded.ingress, cluster=cluster)))
    finally:
        cluster.close()
