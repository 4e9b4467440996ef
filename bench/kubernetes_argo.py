"""Argo Rollouts, blue-green by a Service, as its own pages say it is used."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from kubernetes_controllers import Controller, run_controller
from kubernetes_observer import Observer
from kubernetes_stage import Setting, await_
from kubernetes_ways import SETTLED_WITHIN
from peers import free_port
from tests.kubernetes.cluster.binaries import ARGO_ROLLOUTS, program

APP = "bench-argo"
_CRDS = "manifests/crds"
_TOLERATED = 0.05
"""Share of failed requests, 0-1. Source: Rollback Procedures, "Error rate > 5%"."""
ANALYSIS = "postPromotionAnalysis: the share of failed requests, asked every 10 s, six times; the first one above 5 % aborts"


@dataclass
class ArgoRollouts:
    """A Rollout with the strategy blueGreen."""

    setting: Setting
    controller: Controller
    count: int
    delay: int
    """`scaleDownDelaySeconds`."""
    serving: str
    _round: int = 0
    _waiting: str = ""
    _before: str = ""

    @property
    def name(self) -> str:
        """See `Way`."""
        return f"Argo Rollouts {ARGO_ROLLOUTS.version}"

    @property
    def configured(self) -> str:
        """See `Way`."""
        return f"strategy blueGreen by a Service, scaleDownDelaySeconds {self.delay} (its default is 30), promoted by hand; for faults {ANALYSIS}"

    @property
    def url(self) -> str:
        """See `Way`."""
        return self.setting.port(APP)

    def prepare(self, version: str) -> None:
        """See `Way`."""
        self._round += 1
        self._waiting = version
        patch: JsonValue = [
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": self.setting.image(version)},
            {"op": "replace", "path": "/spec/template/metadata/annotations/bench", "value": str(self._round)},
        ]
        self.setting.kubectl("patch", "rollout", APP, "--type=json", f"--patch={json.dumps(patch)}")
        await_(lambda: self._status("phase") == "Paused" and bool(self._status("pauseConditions")), f"{version} waits beside the other one")

    def promote(self) -> None:
        """As `kubectl argo rollouts promote` does."""
        self.setting.kubectl("patch", "rollout", APP, "--subresource=status", "--type=merge", '--patch={"status":{"pauseConditions":null}}')
        self._before, self.serving = self.serving, self._waiting

    def settle(self) -> None:
        """See `Way`."""
        await_(lambda: self._status("phase") == "Healthy" and self.setting.pods(APP) == self.count, "the old version is gone", within=SETTLED_WITHIN)

    def judge(self) -> None:
        """From now on, an analysis follows each promotion."""
        analysis: JsonValue = {"spec": {"strategy": {"blueGreen": {"postPromotionAnalysis": {"templates": [{"templateName": APP}]}}}}}
        self.setting.kubectl("patch", "rollout", APP, "--type=merge", f"--patch={json.dumps(analysis)}")

    def taken_back(self) -> None:
        """The faulty version was aborted, and its pods are gone."""
        await_(lambda: self._status("abort") is True, f"{self.serving} was aborted", within=SETTLED_WITHIN)
        await_(lambda: self.setting.pods(APP) == self.count, f"{self.serving} is gone", within=SETTLED_WITHIN)
        self.serving = self._before

    def calls(self) -> Counter[str]:
        """See `Way`."""
        return self.controller.calls()

    def memory(self) -> float | None:
        """See `Way`."""
        return self.controller.memory()

    def _status(self, field: str) -> JsonValue:
        status = self.setting.read("rollout", APP).get("status")
        return status.get(field) if isinstance(status, dict) else None


@contextmanager
def argo_rollouts(setting: Setting, observer: Observer, *, version: str, count: int, delay: int, folder: Path) -> Iterator[ArgoRollouts]:
    """Its controller runs, and a Rollout of `version` serves; nothing of it is left afterwards."""
    definitions = [f"--filename={file}" for file in sorted((ARGO_ROLLOUTS.folder / _CRDS).glob("*-crd.yaml"))]
    there = "rollouts.argoproj.io" in setting.api("get", "crd", "--output=name")
    setting.api("apply", "--server-side", *definitions, within=120)
    setting.api("wait", "--for=condition=Established", *definitions, "--timeout=30s")
    setting.apply(*_objects(setting, observer, version=version, count=count, delay=delay))

    def command(kubeconfig: str) -> tuple[str, ...]:
        return (
            str(program("rollouts-controller")),
            f"--kubeconfig={kubeconfig}",
            "--namespaced",
            f"--namespace={setting.namespace}",
            "--leader-elect=false",
            f"--metricsPort={free_port()}",
            f"--healthzPort={free_port()}",
        )

    try:
        with run_controller(setting, "argo", command, folder=folder) as controller:
            way = ArgoRollouts(setting=setting, controller=controller, count=count, delay=delay, serving=version)
            way.settle()
            try:
                yield way
            finally:
                setting.kubectl("delete", "rollout,analysistemplate,analysisrun", "--all", within=120)
    finally:
        if not there:
            setting.api("delete", *definitions, "--ignore-not-found", within=120)


def _objects(setting: Setting, observer: Observer, *, version: str, count: int, delay: int) -> tuple[dict[str, JsonValue], ...]:
    ports: JsonValue = [{"name": "http", "port": 80, "targetPort": "http"}]
    selector: JsonValue = {"app": APP}
    preview = f"{APP}-preview"
    blue_green: JsonValue = {"activeService": APP, "previewService": preview, "autoPromotionEnabled": False, "scaleDownDelaySeconds": delay}
    return (
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": APP}, "spec": {"type": "NodePort", "selector": selector, "ports": ports}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": preview}, "spec": {"selector": selector, "ports": ports}},
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AnalysisTemplate",
            "metadata": {"name": APP},
            "spec": {
                "metrics": [
                    {
                        "name": "failed",
                        "interval": "10s",
                        "count": 6,
                        "successCondition": f"result[0] <= {_TOLERATED}",
                        "provider": {"prometheus": {"address": observer.url, "query": "failed"}},
                    }
                ]
            },
        },
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": APP},
            "spec": {
                "replicas": count,
                "revisionHistoryLimit": 2,
                "selector": {"matchLabels": selector},
                "template": setting.template(version, app=APP),
                "strategy": {"blueGreen": blue_green},
            },
        },
    )
