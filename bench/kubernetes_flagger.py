"""Flagger on the Gateway API, with the fewest steps and the shortest interval that it has."""

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
from tests.kubernetes.cluster.binaries import FLAGGER, program
from tests.kubernetes.cluster.parts.gateway import NAMESPACE as PROXIES

APP, GATEWAY = "bench-flagger", "bench"
_CRD = "artifacts/flagger/crd.yaml"
_OWNED = "gateway.envoyproxy.io/owning-gateway-name=bench,gateway.envoyproxy.io/owning-gateway-namespace="
_TOLERATED = 0.05
"""Share of failed requests, 0-1. Source: Rollback Procedures, "Error rate > 5%"."""


@dataclass
class Flagger:
    """A Canary that gets everything in one step."""

    setting: Setting
    controller: Controller
    observer: Observer
    count: int
    serving: str
    _round: int = 0
    _waiting: str = ""
    _before: str = ""

    @property
    def name(self) -> str:
        """See `Way`."""
        return f"Flagger {FLAGGER.version}"

    @property
    def configured(self) -> str:
        """See `Way`."""
        return (
            "provider gatewayapi:v1 on a Gateway of the same Envoy Gateway, interval 10s (its loop's), threshold 1, stepWeight 100, one metric: the share of "
            "failed requests above 5 %; promoted at its own gate (confirm-traffic-increase); it then copies the version to the primary, and leads back to that"
        )

    @property
    def url(self) -> str:
        """See `Way`."""
        services = json.loads(self.setting.api("get", "service", f"--namespace={PROXIES}", f"--selector={_OWNED}{self.setting.namespace}", "--output=json"))
        (service,) = services["items"]
        return f"http://{self.setting.node}:{service['spec']['ports'][0]['nodePort']}"

    def prepare(self, version: str) -> None:
        """See `Way`."""
        self._round += 1
        self._waiting = version
        self.observer.gate(open_=False)
        web: JsonValue = [{"name": "web", "image": self.setting.image(version)}]
        patch: JsonValue = {"spec": {"template": {"metadata": {"annotations": {"bench": str(self._round)}}, "spec": {"containers": web}}}}
        self.setting.kubectl("patch", "deployment", APP, f"--patch={json.dumps(patch)}")
        await_(lambda: self.observer.asked > 0, f"{version} waits at the gate", within=SETTLED_WITHIN)

    def promote(self) -> None:
        """The gate is open. Flagger asks at it every 10 s."""
        self.observer.gate(open_=True)
        self._before, self.serving = self.serving, self._waiting

    def settle(self) -> None:
        """See `Way`."""
        await_(lambda: self._phase() in {"Succeeded", "Initialized"} and self._pods() == self.count, "the version is the primary", within=SETTLED_WITHIN)

    def judge(self) -> None:
        """It always does."""

    def taken_back(self) -> None:
        """The faulty version was rolled back, and its pods are gone."""
        await_(lambda: self._phase() == "Failed" and self._pods() == self.count, f"{self.serving} was rolled back", within=SETTLED_WITHIN)
        self.serving = self._before

    def calls(self) -> Counter[str]:
        """See `Way`."""
        return self.controller.calls()

    def memory(self) -> float | None:
        """See `Way`."""
        return self.controller.memory()

    def _phase(self) -> JsonValue:
        status = self.setting.read("canary", APP).get("status")
        return status.get("phase") if isinstance(status, dict) else None

    def _pods(self) -> int:
        return self.setting.pods(APP)


@contextmanager
def flagger(setting: Setting, observer: Observer, *, version: str, count: int, folder: Path) -> Iterator[Flagger]:
    """It runs, and its primary serves `version`; nothing of it is left afterwards."""
    definitions = f"--filename={FLAGGER.folder / _CRD}"
    there = "canaries.flagger.app" in setting.api("get", "crd", "--output=name")
    setting.api("apply", "--server-side", definitions, within=120)
    setting.api("wait", "--for=condition=Established", definitions, "--timeout=30s")
    setting.apply(*_objects(setting, observer, version=version, count=count))
    setting.kubectl("wait", "--for=condition=Programmed", f"gateway/{GATEWAY}", "--timeout=120s", within=130)

    def command(kubeconfig: str) -> tuple[str, ...]:
        return (
            str(program("flagger")),
            f"-kubeconfig={kubeconfig}",
            f"-namespace={setting.namespace}",
            "-mesh-provider=gatewayapi:v1",
            f"-metrics-server={observer.url}",
            f"-port={free_port()}",
            "-enable-config-tracking=false",  # else it copies the database's secret
            "-log-level=info",
        )

    try:
        with run_controller(setting, "flagger", command, folder=folder) as controller:
            way = Flagger(setting=setting, controller=controller, observer=observer, count=count, serving=version)
            way.settle()
            yield way
    finally:
        setting.kubectl("delete", "canary,metrictemplate,gateway,deployment", GATEWAY, APP, "--ignore-not-found", within=120)
        if not there:
            setting.api("delete", definitions, "--ignore-not-found", within=120)


def _objects(setting: Setting, observer: Observer, *, version: str, count: int) -> tuple[dict[str, JsonValue], ...]:
    proxies: JsonValue = {"parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "unioneyes-web"}}
    return (
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": GATEWAY},
            "spec": {"gatewayClassName": "envoy", "infrastructure": proxies, "listeners": [{"name": "members", "protocol": "HTTP", "port": 80}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": APP},
            "spec": {
                "replicas": count,
                "selector": {"matchLabels": {"app": APP}},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": setting.template(version, app=APP),
            },
        },
        {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "MetricTemplate",
            "metadata": {"name": APP},
            "spec": {"provider": {"type": "prometheus", "address": observer.url}, "query": "failed"},
        },
        {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "metadata": {"name": APP},
            "spec": {
                "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": APP},
                "progressDeadlineSeconds": 120,
                "service": {
                    "port": 80,
                    "targetPort": "http",
                    "gatewayRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY, "namespace": setting.namespace}],
                },
                "analysis": {
                    "interval": "10s",
                    "threshold": 1,
                    "maxWeight": 100,
                    "stepWeight": 100,
                    "metrics": [{"name": "failed", "templateRef": {"name": APP}, "thresholdRange": {"max": _TOLERATED}, "interval": "10s"}],
                    "webhooks": [{"name": "gate", "type": "confirm-traffic-increase", "url": f"{observer.url}/gate"}],
                },
            },
        },
    )
