from __future__ import annotations

from dataclasses import replace

import pytest
from lightkube.resources.apps_v1 import Deployment
from pydantic import JsonValue

from tests.unit.kubernetes.pods import NOW, SETTINGS, WANTED, deployment, pod
from unioneyes.adapters.kubernetes.release import belongs, differences, hands, said, said_stopped, standing
from unioneyes.kernel.problems import BadInput


def written(found: Deployment) -> dict[str, str]:
    metadata = said(found, WANTED, container="web", run=2, family="unioneyes-web")["metadata"]
    assert isinstance(metadata, dict)
    annotations = metadata["annotations"]
    assert isinstance(annotations, dict)
    return {name: str(value) for name, value in annotations.items()}


def changed(found: Deployment) -> tuple[str, ...]:
    return differences(found, container="web", family="unioneyes-web")


def test_what_was_said_is_what_stands_there() -> None:
    assert standing(deployment()) is None
    served = replace(WANTED, served=True)
    metadata = said(deployment(), served, container="web", run=2, family="unioneyes-web")["metadata"]
    assert isinstance(metadata, dict)
    annotations = metadata["annotations"]
    assert isinstance(annotations, dict)
    assert standing(deployment(annotations={name: str(value) for name, value in annotations.items()})) == served


def test_variables_from_elsewhere_stay_and_the_configuration_takes_the_place_of_the_one_before() -> None:
    spec = said(deployment(), replace(WANTED, settings="unioneyes-web-fedcba9876"), container="web", run=3, family="unioneyes-web")["spec"]
    expected: JsonValue = {
        "name": "web",
        "image": WANTED.image,
        "envFrom": [{"configMapRef": {"name": "unioneyes-web"}}, {"configMapRef": {"name": "unioneyes-web-fedcba9876"}}],
    }
    assert isinstance(spec, dict)
    assert spec["replicas"] == 3
    assert spec["template"] == {"metadata": {"labels": {"app.kubernetes.io/version": "1.1.0"}}, "spec": {"containers": [expected]}}


def test_stopping_what_was_never_ours_says_how_many_and_leaves_the_image_as_it_is() -> None:
    (there,) = deployment().to_dict()["spec"]["template"]["spec"]["containers"]
    containers: JsonValue = [{"name": "web", "image": there["image"]}]
    expected = {"spec": {"replicas": 0, "template": {"spec": {"containers": containers}}}}
    assert said_stopped(deployment(), container="web", family="unioneyes-web") == expected


def test_what_was_stopped_keeps_what_its_pods_would_run() -> None:
    found = deployment(annotations=written(deployment()))
    stopped = said_stopped(found, container="web", family="unioneyes-web")
    spec = stopped["spec"]
    assert isinstance(spec, dict)
    assert spec["replicas"] == 0
    template = spec["template"]
    assert isinstance(template, dict)
    assert template["metadata"] == {"labels": {"app.kubernetes.io/version": "1.1.0"}}
    metadata = stopped["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["annotations"] == {"unioneyes.app/placed": NOW.isoformat()}


def test_what_somebody_changed_by_hand_shows_with_who_did_it() -> None:
    assert changed(deployment(annotations=written(deployment()))) == ()
    assert changed(deployment(annotations=written(deployment()), replicas=9)) == (), "a number of replicas is no other release"
    (image,) = changed(deployment(annotations=written(deployment()), image="registry/web:hotfix"))
    assert image == f"its image is registry/web:hotfix, and was {WANTED.image} when it was deployed"
    assert changed(deployment(annotations={"unioneyes.app/placed": NOW.isoformat()}, replicas=1)) == ("it runs 1 replicas, and was stopped",)
    assert changed(deployment(image="registry/web:hotfix")) == (), "what was never ours may be taken"
    assert hands(deployment(), "unioneyes") == ("kubectl-set at 2026-03-01T11:59:30+00:00",)


def test_a_pod_belongs_to_the_release_whose_version_image_and_configuration_it_has() -> None:
    assert belongs(pod(), WANTED, container="web")
    assert not belongs(pod(version="1.0.0"), WANTED, container="web")
    assert not belongs(pod(image="registry/web@sha256:00"), WANTED, container="web")
    assert not belongs(pod(), replace(WANTED, settings=f"{SETTINGS[:-1]}0"), container="web")


@pytest.mark.parametrize("version", ["1.0.0+build", "", "x" * 64, "-1"])
def test_a_version_that_no_label_can_say_is_refused(version: str) -> None:
    with pytest.raises(BadInput):
        replace(WANTED, version=version)
