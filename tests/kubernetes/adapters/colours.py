"""A colour's Deployment as manifests have it, for stand-ins of the service: nothing runs, and of no image that there is."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from unioneyes.ports.traffic import Colour

APP = "unioneyes-web"
PLACEHOLDER = "nothing-deployed.invalid/unioneyes-web"


def deployment_of(namespace: str, colour: Colour, container: Mapping[str, JsonValue], *, grace: int) -> dict[str, JsonValue]:
    """Return the Deployment with what is special of its container; `grace` is how many seconds a pod has to end."""
    labels: dict[str, JsonValue] = {"app": APP, "version": colour.value}
    whole: dict[str, JsonValue] = {
        "name": "web",
        "image": PLACEHOLDER,
        "readinessProbe": {"httpGet": {"port": "http", "path": "/healthz"}, "periodSeconds": 1},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "database", "mountPath": "/etc/unioneyes/database", "readOnly": True}],
        **container,
    }
    spec: dict[str, JsonValue] = {
        "containers": [whole],
        "terminationGracePeriodSeconds": grace,
        "volumes": [{"name": "database", "secret": {"secretName": "database-credentials"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{APP}-{colour}", "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
