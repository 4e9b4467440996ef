"""Pods and Deployments, as the API server tells of them, in few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from pydantic import JsonValue

from unioneyes.adapters.kubernetes.release import Standing

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SETTINGS = "unioneyes-web-0123456789"
WANTED = Standing(version="1.1.0", image="registry/web@sha256:11", settings=SETTINGS, count=2, placed=NOW)


def at(seconds: float) -> str:
    """Return a time so many seconds from now."""
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def pod(
    name: str = "web-1", *, ready: bool = False, deleted: float | None = None, version: str = "1.1.0", image: str = WANTED.image, **status: JsonValue
) -> Pod:
    said = Pod.from_dict(
        {
            "metadata": {
                "name": name,
                "creationTimestamp": at(-60),
                "labels": {"app": "unioneyes-web", "version": "blue", "app.kubernetes.io/version": version},
                **({} if deleted is None else {"deletionTimestamp": at(deleted)}),
            },
            "spec": {"containers": [{"name": "web", "image": image, "envFrom": [{"configMapRef": {"name": SETTINGS}}]}]},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                **status,
            },
        }
    )
    assert isinstance(said, Pod)
    return said


def container(*, restarts: int = 0, waiting: tuple[str, str] | None = None, ended: tuple[int, str] | None = None, running: bool = False) -> list[JsonValue]:
    state: JsonValue = {"running": {"startedAt": at(-5)}} if running else {"waiting": {"reason": waiting[0], "message": waiting[1]}} if waiting else {}
    last: JsonValue = {"terminated": {"exitCode": ended[0], "message": ended[1], "reason": "Error", "finishedAt": at(-1)}} if ended else {}
    return [{"name": "web", "image": "", "imageID": "", "ready": False, "restartCount": restarts, "state": state, "lastState": last}]


def deployment(
    *, annotations: dict[str, str] | None = None, replicas: int = 2, image: str = WANTED.image, failure: str | None = None, seen: int = 1
) -> Deployment:
    condition: JsonValue = [{"type": "ReplicaFailure", "status": "True", "message": failure, "lastTransitionTime": at(-1)}] if failure else []
    said = Deployment.from_dict(
        {
            "metadata": {
                "name": "unioneyes-web-blue",
                "generation": 1,
                "annotations": annotations or {},
                "managedFields": [
                    {"manager": "unioneyes", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                    {"manager": "kubectl-set", "operation": "Update", "time": at(-30), "fieldsV1": {"f:spec": {"f:template": {}}}},
                    {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "time": at(-3), "fieldsV1": {"f:status": {}}},
                ],
            },
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "unioneyes-web"}},
                "template": {
                    "metadata": {"labels": {"app": "unioneyes-web", "app.kubernetes.io/version": "1.1.0"}},
                    "spec": {
                        "containers": [
                            {
                                "name": "web",
                                "image": image,
                                "envFrom": [{"configMapRef": {"name": "unioneyes-web"}}, {"configMapRef": {"name": SETTINGS}}],
                            }
                        ]
                    },
                },
            },
            "status": {"observedGeneration": seen, "conditions": condition},
        }
    )
    assert isinstance(said, Deployment)
    return said
