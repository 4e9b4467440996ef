"""Small servers in pods of the cluster's own base image, for tests of the cluster."""

from __future__ import annotations

import json
import subprocess

from pydantic import JsonValue

from tests.kubernetes.cluster.lent import Lent
from tests.stack import eventually

_PORT = 8000
_SERVER = f"""
import http.server, signal, socket, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(socket.gethostname().encode())
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print("serving", flush=True)
http.server.ThreadingHTTPServer(("", {_PORT}), Answer).serve_forever()
"""


def server(lent: Lent, name: str, *, replicas: int = 1, node: str | None = None) -> tuple[dict[str, JsonValue], ...]:
    """Return a Deployment whose pods answer with their names, and its Service, on port 80."""
    assert lent.own, "the base image is in our own registry"
    container: dict[str, JsonValue] = {
        "name": "server",
        "image": f"{lent.own.addresses.registry}/base",
        "command": ["python3", "-c", _SERVER],
        "readinessProbe": {"httpGet": {"port": _PORT, "path": "/"}, "periodSeconds": 1},
    }
    spec: dict[str, JsonValue] = {"containers": [container], "terminationGracePeriodSeconds": 2, **({"nodeName": node} if node else {})}
    labels: dict[str, JsonValue] = {"app": name}
    of: JsonValue = {"name": name, "namespace": lent.namespace}
    return (
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": of,
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": of, "spec": {"type": "NodePort", "selector": labels, "ports": [{"port": 80, "targetPort": _PORT}]}},
    )


def serve(lent: Lent, name: str, *, replicas: int = 1, node: str | None = None) -> None:
    """The pods answer, by their Service too: a node's proxy learns of them a moment after they are ready."""
    lent.kubectl.apply(*server(lent, name, replicas=replicas, node=node))
    lent.kubectl("rollout", "status", f"deployment/{name}", "--namespace", lent.namespace, "--timeout=90s", within=100)
    address = lent.kubectl("get", "service", name, "--namespace", lent.namespace, "--output=jsonpath={.spec.clusterIP}")
    assert eventually(lambda: ask(lent, name, f"http://{address}/", times=10) <= pods_of(lent, name)), f"{address} leads nowhere"


def ask(lent: Lent, name: str, url: str, *, times: int = 1) -> frozenset[str]:
    """Return the different answers that a pod of `name` gets from `url`, or the kinds of error that it meets."""
    script = f"""
import urllib.request
for _ in range({times}):
    try:
        print(urllib.request.urlopen({url!r}, timeout=3).read().decode())
    except OSError as error:
        print(type(error).__name__)
"""
    return frozenset(lent.kubectl("exec", "--namespace", lent.namespace, f"deployment/{name}", "--", "python3", "-c", script).split())


def curl(url: str) -> str:
    """Return what the machine gets as an answer from `url`; nothing where nobody answers."""
    return subprocess.run(["curl", "--silent", "--max-time", "3", url], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout


def pods_of(lent: Lent, name: str) -> frozenset[str]:
    listed = json.loads(lent.kubectl("get", "pods", "--namespace", lent.namespace, "--selector", f"app={name}", "--output=json"))
    return frozenset(pod["metadata"]["name"] for pod in listed["items"])
