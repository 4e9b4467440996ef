"""A service with nothing of ours in it goes out and back on a real Kubernetes: another program, another health path, no migrations, no report."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import JsonValue

from tests.drills.main_job.main_job import MainJob
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.overlays import in_namespace
from tests.stack import empty_stack
from unioneyes.adapters.kubernetes.release import VERSION_LABEL
from unioneyes.kernel.ids import new_id
from unioneyes.ports.traffic import Colour

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[3]
NAME = "plain"
STARTED_WITHIN = 300
PROGRAM = """
import http.server, os, signal, threading
DRAINING = threading.Event()
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_):
        pass
    def do_GET(self):
        status = 404 if self.path not in ("/", "/ready") else 503 if self.path == "/ready" and os.environ["VERSION"].endswith("-sick") else 200
        body = os.environ["VERSION"].encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if DRAINING.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("", 8000), Answer)
def drain(*_):
    DRAINING.set()
    threading.Timer(3.0, server.shutdown).start()
signal.signal(signal.SIGTERM, drain)
server.serve_forever()
"""
SETTINGS = """
bake = "3s"
[waivers]
release-contract = "a drill, to which no continuous integration reports"
staging-health = "a drill, before which no staging stands"
security-sign-off = "a drill, with no member's data"
product-approval = "a drill, which no member sees"
current-version = "a drill deploys another service than the one in the work tree"
[service]
plain = true
health_path = "/ready"
probe_path = "/"
"""


@pytest.fixture(scope="module")
def plain(lent: Lent) -> Iterator[MainJob]:
    """The manifests with another program in their containers, and three versions of its image in the registry."""
    assert lent.own, "the base image is in our own registry"
    namespace, registry = new_id("unioneyes-plain").lower(), lent.own.addresses.registry
    command = [sys.executable, "-m", "tests.kubernetes.tagging", registry, f"{namespace}/thing", "2.0.0", "2.1.0", "2.2.0-sick", "latest"]
    subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL, timeout=120)
    patches: list[JsonValue] = [{"target": {"kind": "ConfigMap", "name": "unioneyes-web"}, "patch": json.dumps([{"op": "remove", "path": "/data"}])}]
    patches += [{"target": {"kind": "Deployment", "name": f"unioneyes-web-{colour}"}, "patch": json.dumps(another_program())} for colour in Colour]
    try:
        command = [sys.executable, "-m", "tests.kubernetes.cluster", "serve", "--namespace", namespace]
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STARTED_WITHIN, check=False)
        assert done.returncode == 0, done.stderr
        with in_namespace(namespace, "machine", patches=patches) as overlay:
            lent.kubectl("apply", "--server-side", f"--kustomize={overlay}", within=120)
        served = {**json.loads(done.stdout), "images": f"{registry}/{namespace}/thing"}
        cluster = "\n".join(["[cluster]", "plain_registry = true", *(f"{name} = {json.dumps(value)}" for name, value in served.items()), ""])
        with empty_stack(settings=f"{SETTINGS}{cluster}", env=NAME) as stack:
            started = stack.start(within=STARTED_WITHIN)
            assert started.code == 0, started.err
            yield MainJob(stack=stack)
    finally:
        lent.kubectl("delete", "namespace", namespace, "--ignore-not-found", within=180)


def another_program() -> list[dict[str, JsonValue]]:
    """Return what makes the container run `PROGRAM`, as somebody patches the manifests for a service of their own."""
    container = "/spec/template/spec/containers/0"
    version: JsonValue = {"name": "VERSION", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{VERSION_LABEL}']"}}}
    probes: list[dict[str, JsonValue]] = [
        {"op": "replace", "path": f"{container}/{probe}/httpGet/path", "value": "/"} for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    ]
    return [
        {"op": "add", "path": f"{container}/command", "value": ["python3", "-c", PROGRAM]},
        {"op": "replace", "path": f"{container}/env", "value": [version]},
        *probes,
    ]


@contextmanager
def asking(url: str) -> Iterator[Counter[str]]:
    """Ask without end in the block, on connections that are kept; count what was answered."""
    seen, stop = Counter[str](), threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=5, trust_env=False) as client:
            while not stop.wait(0.02):
                try:
                    answer = client.get(url)
                    seen[answer.text if answer.is_success else str(answer.status_code)] += 1
                except httpx.HTTPError as error:
                    seen[type(error).__name__] += 1

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def _reaching(plain: MainJob, socket_enabled: None) -> None:
    """These tests are clients of the service themselves."""


def test_each_tag_that_is_a_version_is_a_release(plain: MainJob) -> None:
    listed = plain.stack.ue("release", "list")
    assert listed.code == 0, listed.err
    assert [word for word in listed.out.split() if word.startswith("2.")] == ["2.0.0", "2.1.0", "2.2.0-sick"]
    assert "latest" not in listed.out


def test_the_doctor_finds_nothing_wrong_with_its_cluster(plain: MainJob) -> None:
    findings = json.loads(plain.stack.ue("env", "doctor", "-o", "json").out)["findings"]
    found = {each["check"]: each["health"] for each in findings}
    assert {check: found[check] for check in ("cluster", "rights", "manifests", "gateway", "registry")} == dict.fromkeys(
        ("cluster", "rights", "manifests", "gateway", "registry"), "good"
    )


@pytest.mark.usefixtures("_reaching")
def test_it_goes_out_under_load_and_loses_nothing(plain: MainJob) -> None:
    plain.deployed("2.0.0")
    with asking(str(plain.status()["service_url"])) as seen:
        plain.deployed("2.1.0")
    assert set(seen) == {"2.0.0", "2.1.0"}, seen
    assert plain.serving().version == "2.1.0"


def test_a_version_whose_health_path_says_no_is_refused_before_members_reach_it(plain: MainJob) -> None:
    said = plain.deploy("2.2.0-sick", within=200)
    assert said.code == 5, said.err
    assert "no member saw it" in said.err
    assert plain.serving().version == "2.1.0"


@pytest.mark.usefixtures("_reaching")
def test_it_goes_back_under_load_and_loses_nothing(plain: MainJob) -> None:
    with asking(str(plain.status()["service_url"])) as seen:
        back = plain.stack.ue("rollback", "release", "--reason", "drill", "--yes", within=200)
    assert back.code == 0, back.err
    assert set(seen) == {"2.0.0", "2.1.0"}, seen
    assert plain.serving().version == "2.0.0"
