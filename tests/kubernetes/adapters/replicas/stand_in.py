"""A stand-in for the operated service, in pods of the cluster's base image: it says which version its label names, and does what its path asks."""

from __future__ import annotations

from pydantic import JsonValue

from tests.contract.replicas.world import BROKEN, MUTE
from tests.kubernetes.adapters.colours import deployment_of
from unioneyes.adapters.kubernetes.release import VERSION_LABEL
from unioneyes.ports.traffic import Colour

_PROGRAM = """
import datetime, http.server, json, os, signal, sys, threading, time
VERSION = os.environ["VERSION"]
SETTINGS = {name: value for name, value in os.environ.items() if name in ("POOL",)}
DRAINING, UNDER_WAY = threading.Event(), []
COUNTS = {"max": SETTINGS["POOL"], "used": 3, "idle": 1} if SETTINGS.get("POOL") else {}
METRICS = [f'claims_pool_connections{{state="{state}"}} {count}' for state, count in COUNTS.items()]
METRICS.append("claims_pool_requests_waiting 2")
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_):
        pass
    def do_GET(self):
        UNDER_WAY.append(self)
        try:
            self.answer()
        finally:
            UNDER_WAY.remove(self)
    def answer(self):
        status = 200
        match self.path.split("/")[1:]:
            case ["healthz"]:
                status = 503 if VERSION == BROKEN_OR_MUTE[1] else 200
            case ["log", level]:
                now = datetime.datetime.now(datetime.timezone.utc).isoformat()
                print(json.dumps({"timestamp": now, "level": level, "message": f"{level} was asked for", "request_id": "r-1"}), flush=True)
            case ["print", text]:
                print(text, flush=True)
            case ["trace"]:
                print("Traceback (most recent call last):\\n  File \\"x\\"\\nValueError: no such thing", flush=True)
            case ["exit", code]:
                os._exit(int(code))
            case ["slow", seconds]:
                time.sleep(float(seconds))
            case ["metrics"] if "POOL" in SETTINGS:
                body = "".join(f"{line}\\n" for line in METRICS).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
        database = open("/etc/unioneyes/database/url").read()
        body = json.dumps({"version": VERSION, "settings": SETTINGS, "database": database}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if DRAINING.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
if VERSION == BROKEN_OR_MUTE[0]:
    print("no such table", file=sys.stderr)
    sys.exit(1)
servers = [http.server.ThreadingHTTPServer(("", port), Answer) for port in (8000, 8001)]
def finish():
    while UNDER_WAY:
        time.sleep(0.05)
    [server.shutdown() for server in servers]
def drain(*_):
    DRAINING.set()
    threading.Timer(1.0, finish).start()
signal.signal(signal.SIGTERM, drain)
threads = [threading.Thread(target=server.serve_forever) for server in servers]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
""".replace("BROKEN_OR_MUTE", repr((BROKEN, MUTE)))


def deployment(namespace: str, colour: Colour, **resources: JsonValue) -> dict[str, JsonValue]:
    """Return the colour's Deployment as manifests have it: nothing runs, and of no image that there is."""
    container: dict[str, JsonValue] = {
        "command": ["python3", "-c", _PROGRAM],
        "env": [{"name": "VERSION", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{VERSION_LABEL}']"}}}],
        "ports": [{"name": "http", "containerPort": 8000}, {"name": "private", "containerPort": 8001}],
        **({"resources": resources} if resources else {}),
    }
    return deployment_of(namespace, colour, container, grace=5)


def secret(namespace: str) -> dict[str, JsonValue]:
    """Return the Secret with the database's address."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "database-credentials", "namespace": namespace},
        "stringData": {"url": "postgresql://production"},
    }
