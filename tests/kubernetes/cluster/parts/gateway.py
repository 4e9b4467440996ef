"""The Gateway API at the edge of the cluster: Envoy Gateway, by its own chart, with images of what is built here.

Its class is called `envoy`. What a Gateway listens on is reached from the machine at a port of a node.
"""

from __future__ import annotations

import json
import shutil
import subprocess

from pydantic import JsonValue

from tests.kubernetes.cluster.binaries import ENVOY_GATEWAY, HELM, program
from tests.kubernetes.cluster.images import Image
from tests.kubernetes.cluster.parts.model import Part, Setting
from unioneyes.adapters.envoy.program import envoy_program
from unioneyes.kernel.problems import Problem

NAMESPACE, CLASS = "envoy-gateway-system", "envoy"
_CHART = "charts/gateway-helm"
_CRDS = f"{_CHART}/charts/crds/crds"


def _images() -> tuple[Image, ...]:
    return (Image(name="envoy-gateway", programs=(program("envoy-gateway"),)), Image(name="envoy", programs=(envoy_program(),)))


def _start(setting: Setting) -> None:
    definitions = ENVOY_GATEWAY.folder / _CRDS
    setting.kubectl("apply", "--server-side", "--force-conflicts", "--recursive", f"--filename={definitions}", within=120)
    setting.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    setting.kubectl("apply", "--server-side", "--filename=-", fed=_render(setting), within=120)
    service: JsonValue = {"type": "NodePort", "externalTrafficPolicy": "Cluster"}
    setting.kubectl.apply(
        {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "EnvoyProxy",
            "metadata": {"name": CLASS, "namespace": NAMESPACE},
            "spec": {
                "provider": {
                    "type": "Kubernetes",
                    "kubernetes": {"envoyService": service, "envoyDeployment": {"container": {"image": f"{setting.cluster.addresses.registry}/envoy"}}},
                }
            },
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": CLASS},
            "spec": {
                "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
                "parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": CLASS, "namespace": NAMESPACE},
            },
        },
    )


def _render(setting: Setting) -> str:
    """Return the chart's objects. As the module has it, the chart's values are still to be filled in."""
    chart = setting.cluster.layout.data / "gateway-helm"
    shutil.copytree(ENVOY_GATEWAY.folder / _CHART, chart)
    image = f"{setting.cluster.addresses.registry}/envoy-gateway:latest"  # without a tag, the chart would write none
    template = (chart / "values.tmpl.yaml").read_text()
    (chart / "values.yaml").write_text(template.replace("${GatewayImage}", image).replace("${GatewayImagePullPolicy}", "IfNotPresent"))
    command = [str(program("helm")), "template", "envoy-gateway", str(chart), f"--namespace={NAMESPACE}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(what=f"the gateway's chart: {done.stderr.strip()[-500:]}", remedy="try it by hand: " + " ".join(command))
    return done.stdout


def _ready(setting: Setting) -> bool:
    try:
        found = json.loads(setting.kubectl("get", "gatewayclass", CLASS, "--output=json"))
    except Problem:
        return False
    return any(condition["type"] == "Accepted" and condition["status"] == "True" for condition in found.get("status", {}).get("conditions", []))


GATEWAY = Part(name="gateway", does="the Gateway API (Envoy Gateway)", families=(ENVOY_GATEWAY, HELM), start=_start, ready=_ready, images=_images)
