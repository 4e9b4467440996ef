"""What we may not do is told as the Roles to apply."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import JsonValue

from tests.contract.kubernetes.scripted import NAMESPACE, Scripted, saying, scripted
from unioneyes.adapters.kubernetes.rights import MissingRights, Needed, Right, missing, require, role, together

ROUTES = Right(group="gateway.networking.k8s.io", resource="httproutes", verbs=("get", "patch"))
LOGS = Right(resource="pods/log", verbs=("get",))
ACCOUNT = "system:serviceaccount:ops:ue"


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Scripted]:
    with scripted(tmp_path) as running:
        yield running


def review(*, allowed: bool) -> JsonValue:
    return {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {}, "status": {"allowed": allowed}}


def known_as(name: str) -> JsonValue:
    return {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "status": {"userInfo": {"username": name}}}


def test_nothing_is_missing_where_every_question_is_answered_with_yes(script: Scripted) -> None:
    script.then(*[saying(review(allowed=True))] * 3)

    require(Needed(cluster=script.cluster, rights=(ROUTES, LOGS)))

    assert len(script.asked) == 3


def test_what_is_missing_is_named_with_whom_it_is_missing_to_and_the_whole_role(script: Scripted) -> None:
    script.then(*[saying(review(allowed=False))] * 3, saying(known_as(ACCOUNT)))

    with pytest.raises(MissingRights) as refused:
        require(Needed(cluster=script.cluster, rights=(ROUTES, LOGS)))

    assert refused.value.what == f"{ACCOUNT} may not, in the namespace {NAMESPACE}: get, patch httproutes.gateway.networking.k8s.io; get pods/log"
    made, bound = yaml.safe_load_all(refused.value.remedy.partition("\n")[2])
    assert made["rules"][0] == {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": ["get", "patch"]}
    assert bound["subjects"] == [{"kind": "ServiceAccount", "namespace": "ops", "name": "ue"}]
    assert bound["roleRef"]["name"] == made["metadata"]["name"] == "unioneyes-ue"


def test_the_roles_of_two_namespaces_are_one_text_to_apply(script: Scripted) -> None:
    script.then(*[saying(review(allowed=False))] * 2, saying(known_as("alice@example.com")))
    needed = Needed(cluster=script.cluster, rights=(LOGS,))

    with pytest.raises(MissingRights) as refused:
        require(needed, needed)

    applied = list(yaml.safe_load_all(refused.value.remedy.partition("\n")[2]))
    assert [each["kind"] for each in applied] == ["Role", "RoleBinding", "Role", "RoleBinding"]
    assert applied[1]["subjects"] == [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice@example.com"}]
    assert applied[0]["metadata"]["name"] == "unioneyes-alice-example-com"


def test_each_verb_is_asked_for_once_though_several_adapters_need_it(script: Scripted) -> None:
    script.then(*[saying(review(allowed=True))] * 2)
    assert missing(script.cluster, (ROUTES, Right(group=ROUTES.group, resource="httproutes", verbs=("patch",)))) == ()
    assert len(script.asked) == 2


def test_rights_of_one_kind_of_object_are_one_rule() -> None:
    (whole,) = together((LOGS, Right(resource="pods/log", verbs=("get", "list"))))
    assert whole.verbs == ("get", "list")
    assert len(yaml.safe_load(role((LOGS, LOGS), namespace="ops", who="bob").partition("---")[0])["rules"]) == 1
