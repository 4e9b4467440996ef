"""A stand-in for the operated service that ends without losing a request, in pods of the cluster's base image; and the way to it from outside."""

from __future__ import annotations

from pydantic import JsonValue

from tests.kubernetes.adapters.colours import APP, deployment_of
from unioneyes.adapters.kubernetes.release import VERSION_LABEL
from unioneyes.ports.traffic import Colour

PORT = 8000
_PROGRAM = """
import datetime, http.server, json, os, signal, threading
DRAINING = threading.Event()
def log(level, message, **more):
    at = datetime.datetime.now(datetime.timezone.utc).isoformat()
    print(json.dumps({"timestamp": at, "level": level, "message": message, **more}), flush=True)
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_):
        pass
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match self.path.split("/")[1:]:
            case ["log", level]:
                log(level, f"{level} was asked for", request_id="r-1")
            case ["eat"]:
                log("WARNING", "hungry")
                eaten = [b"x" * (1 << 24) for _ in range(64)]
            case ["exit", code]:
                log("CRITICAL", "all is lost")
                os._exit(int(code))
        body = json.dumps({"version": os.environ["STAND_IN_VERSION"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if DRAINING.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
servers = [Server(("", port), Answer) for port in (8000, 8001)]
def drain(*_):
    DRAINING.set()
    threading.Timer(3.0, lambda: [server.shutdown() for server in servers]).start()
signal.signal(signal.SIGTERM, drain)
threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}) for server in servers]
[thread.start() for thread in threads]
log("INFO", "serving")
[thread.join() for thread in threads]
"""


def deployment(namespace: str, colour: Colour) -> dict[str, JsonValue]:
    """Return the colour's Deployment as manifests have it: nothing runs."""
    container: dict[str, JsonValue] = {
        "command": ["python3", "-c", _PROGRAM],
        "env": [
            {"name": "STAND_IN_VERSION", "value": "1.0.0"},
            {"name": "STAND_IN_RELEASE", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{VERSION_LABEL}']"}}},
            {"name": "STAND_IN_SECRET", "valueFrom": {"secretKeyRef": {"name": "database-credentials", "key": "url"}}},
        ],
        "ports": [{"name": "http", "containerPort": PORT}],
        "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
        "resources": {"requests": {"cpu": "20m"}, "limits": {"memory": "128Mi"}},
    }
    return deployment_of(namespace, colour, container, grace=30)


def service(namespace: str) -> dict[str, JsonValue]:
    """Return the Service by which members reach blue."""
    selector: dict[str, JsonValue] = {"app": APP, "version": Colour.BLUE.value}
    ports: list[JsonValue] = [{"port": 80, "targetPort": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": APP, "namespace": namespace},
        "spec": {"type": "NodePort", "selector": selector, "ports": ports},
    }


def autoscaler(namespace: str, *, least: int, most: int) -> dict[str, JsonValue]:
    """Return one for blue, which measures nothing, and keeps to its bounds."""
    metric: dict[str, JsonValue] = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 90}}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": f"{APP}-blue", "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{APP}-blue"},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [metric],
        },
    }


def secret(namespace: str) -> dict[str, JsonValue]:
    """Return the Secret with the database's address."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "database-credentials", "namespace": namespace},
        "stringData": {"url": "postgresql://app:hunter2hunter2@db/production"},
    }
