"""A hundred nodes and a thousand pods: what commands take beside kubectl's, and what the control plane takes.

The nodes are kwok's: they say that they run pods, and the API server, its controllers, the scheduler, the Gateway and `ue` are the real ones. The cluster
is one of the bench's own, `scale`, and gone afterwards.

    make bench-kubernetes-scale

It ends non-zero when pods did not get ready, or when not every one of them was told.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue, TypeAdapter

from bench_footprint import CONTROL_PLANE, Taken, measure
from measured import ROOT, Promise, conclude, ratio, table
from tests.kubernetes.cluster.binaries import program
from tests.kubernetes.cluster.running import Cluster, running
from unioneyes.environments import CLUSTER_TEST, open_environment
from unioneyes.environments.local import lifecycle
from unioneyes.environments.local.ports import WantedPorts
from unioneyes.environments.local.rehearsal_cluster import Served, name_cluster
from unioneyes.kernel.problems import Problem
from unioneyes.ports.environment import Environment
from unioneyes.ports.traffic import Colour

NAME, NAMESPACE = "scale", "unioneyes-scale"
UE = Path(sys.executable).with_name("ue")
READY_WITHIN = timedelta(minutes=5)
NODES = 100
"""That the figure to reach is promised for, at the least."""
VERSIONS = {Colour.BLUE: "1.0.0", Colour.GREEN: "1.1.0"}
SETTLE, LOOKED_AT = 20.0, 20.0
"""Seconds that the control plane has to itself before it is looked at, and for which it is."""
_FAKE = "kwok"
_POD = re.compile(r"unioneyes-web-(?:blue|green)-[0-9a-z]+-[0-9a-z]{5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What a command took, the median."""

    what: str
    wall: float
    cpu: float
    """Processor time of the command itself, in seconds, without what others did for it."""
    told: int | None
    """Pods that it told of; None where it is not asked for each of them."""


def main() -> int:
    """Measure all, print it, and say whether every pod was there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--times", type=int, default=5, help="each command (%(default)s)")
    arguments = parser.parse_args()
    began = os.getloadavg()
    with _cluster() as (cluster, served), TemporaryDirectory(prefix="ue-bench-", dir="/tmp") as folder:
        home = Path(folder) / "home"
        name_cluster(home, served)
        lifecycle.up(home, wanted=WantedPorts(service=0, preview=0, control=0), tell=print)
        try:
            env = open_environment(CLUSTER_TEST, home).environment
            nodes = _timed(lambda: add_nodes(cluster, arguments.nodes))
            print(f"{arguments.nodes} nodes ready after {nodes:.1f} s", flush=True)
            empty = _rested(home)
            started = start(cluster, env, arguments.pods)
            full = _rested(home)
            commands = ask(cluster, env, home, arguments.times)
            scaled = scale(cluster, env, arguments.pods)
        finally:
            lifecycle.down(home, tell=print)
    load = f"load average of the machine: {began[0]:.1f} when it began, {os.getloadavg()[0]:.1f} when it ended"
    heading = f"{arguments.nodes} nodes were ready after {nodes:.1f} s. What is asked of {arguments.pods} pods, the median of {arguments.times}:"
    text = "\n\n".join((heading, _commands(commands), _changes({**started, **scaled}, arguments.pods), _memory(empty, full, arguments.pods), load))
    least = min(each.told for each in commands if each.told is not None)
    promises = (
        Promise(what="pods that each command told of", measured=str(least), promise=str(arguments.pods), kept=least == arguments.pods),
        Promise(what="nodes", measured=str(arguments.nodes), promise=f">= {NODES}", kept=arguments.nodes >= NODES),
    )
    return conclude("kubernetes-scale", title="A hundred nodes and a thousand pods", text=text, promises=promises)


def add_nodes(cluster: Cluster, count: int) -> None:
    """So many fake nodes are ready."""
    nodes: list[dict[str, JsonValue]] = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"fake-{number}", "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": {"type": _FAKE}},
            "spec": {"taints": [{"key": _FAKE, "value": "fake", "effect": "NoSchedule"}]},
        }
        for number in range(count)
    ]
    cluster.kubectl.apply(*nodes)
    cluster.kubectl("wait", "--for=condition=Ready", "node", f"--selector=type={_FAKE}", "--timeout=180s", within=200)


def start(cluster: Cluster, env: Environment, pods: int) -> dict[str, float]:
    """Half of the pods are ready on each colour, by the adapter that deploys; return the seconds."""
    fake: JsonValue = {"nodeSelector": {"type": _FAKE}, "tolerations": [{"key": _FAKE, "operator": "Exists"}], "topologySpreadConstraints": None}
    patch = json.dumps({"spec": {"template": {"spec": fake}}})
    took = {}
    for colour, version in VERSIONS.items():
        cluster.kubectl("--namespace", NAMESPACE, "patch", "deployment", f"unioneyes-web-{colour}", f"--patch={patch}")
        began = time.monotonic()
        env.replicas.start(colour, version=version, count=pods // 2, within=READY_WITHIN)
        took[f"`ue` starts {pods // 2} pods on {colour}"] = time.monotonic() - began
        print(f"{pods // 2} pods are ready on {colour}", flush=True)
    return took


def scale(cluster: Cluster, env: Environment, pods: int) -> dict[str, float]:
    """Return the seconds that it takes to make the green pods none, and as many again: by `ue`, and by kubectl."""

    def by_hand(count: int) -> None:
        cluster.kubectl("--namespace", NAMESPACE, "scale", "deployment/unioneyes-web-green", f"--replicas={count}")
        cluster.kubectl("--namespace", NAMESPACE, "rollout", "status", "deployment/unioneyes-web-green", within=300)

    half = pods // 2
    stopped = _timed(lambda: env.replicas.stop(Colour.GREEN))
    again = _timed(lambda: env.replicas.start(Colour.GREEN, version=VERSIONS[Colour.GREEN], count=half, within=READY_WITHIN))
    env.replicas.stop(Colour.GREEN)
    return {
        f"`ue` stops {half} pods": stopped,
        "`ue` starts them again": again,
        "kubectl scale, and rollout status, of as many": _timed(lambda: by_hand(half)),
    }


def ask(cluster: Cluster, env: Environment, home: Path, times: int) -> tuple[Timed, ...]:
    """Return what each question takes, asked in turns."""
    where = ("--env", CLUSTER_TEST, "--home", str(home))
    kubectl = _kubectl(cluster)
    commands: dict[str, tuple[str, ...]] = {
        "kubectl get pods": (*kubectl, "get", "pods", "--selector=app=unioneyes-web"),
        "kubectl get pods --output=json": (*kubectl, "get", "pods", "--selector=app=unioneyes-web", "--output=json"),
        "ue app pods": (str(UE), "app", "pods", *where),
        "ue app pods -o json": (str(UE), "app", "pods", "-o", "json", *where),
        "ue app status -o json": (str(UE), "app", "status", "-o", "json", *where),
        "ue env status -o json": (str(UE), "env", "status", "-o", "json", *where),
    }
    taken: dict[str, list[Timed]] = {what: [] for what in commands}
    adapter: list[Timed] = []
    for _ in range(times):
        for what, argv in commands.items():
            taken[what].append(_command(what, argv, tells_of_pods="pods" in what))
        began, before = time.monotonic(), time.process_time()
        told = len(env.replicas.all())
        adapter.append(Timed(what="the adapter alone: replicas.all()", wall=time.monotonic() - began, cpu=time.process_time() - before, told=told))
    return tuple(_median(each) for each in (*taken.values(), adapter))


def _command(what: str, argv: Sequence[str], *, tells_of_pods: bool) -> Timed:
    began = time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        said = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    told = pods_told(said) if tells_of_pods else None
    return Timed(what=what, wall=time.monotonic() - began, cpu=usage.ru_utime + usage.ru_stime, told=told)


def pods_told(said: str) -> int:
    """Return of how many of the service's pods a text tells; each is named, at least once."""
    words = said.replace('"', " ").replace(",", " ").split()
    return len({word for word in words if _POD.fullmatch(word)})


def _median(taken: Sequence[Timed]) -> Timed:
    return Timed(
        what=taken[0].what,
        wall=statistics.median(each.wall for each in taken),
        cpu=statistics.median(each.cpu for each in taken),
        told=min((each.told for each in taken if each.told is not None), default=None),
    )


def _commands(commands: Sequence[Timed]) -> str:
    plain = commands[0]
    rows = [(each.what, str(each.told or "-"), f"{each.wall:.2f} s", f"{each.cpu:.2f} s", ratio(each.wall, plain.wall)) for each in commands]
    return table(("command", "pods told", "took", "cpu of it", f"/ {plain.what}"), rows)


def _changes(changes: Mapping[str, float], pods: int) -> str:
    return table((f"change, {pods // 2} of the pods", "took"), [(what, f"{took:.1f} s") for what, took in changes.items()])


def _memory(empty: Mapping[str, Taken], full: Mapping[str, Taken], pods: int) -> str:
    rows = [(name, *(cell for taken in (empty, full) for cell in (f"{taken[name].pss / 1024:.1f} MiB", f"{taken[name].cpu:.1%}"))) for name in CONTROL_PLANE]
    return table(("control plane", "memory, no pods", "cpu", f"memory, {pods} pods", "cpu"), rows)


def _rested(home: Path) -> dict[str, Taken]:
    time.sleep(SETTLE)
    return measure(home, LOOKED_AT)


def _timed(what: Callable[[], object]) -> float:
    began = time.monotonic()
    what()
    return time.monotonic() - began


def _kubectl(cluster: Cluster) -> tuple[str, ...]:
    return (str(program("kubectl")), f"--kubeconfig={cluster.layout.kubeconfig}", "--namespace", NAMESPACE)


@contextmanager
def _cluster() -> Iterator[tuple[Cluster, Served]]:
    """A cluster of the bench's own, with the service's objects; gone afterwards."""

    def command(*words: str) -> str:
        argv = [sys.executable, "-m", "tests.kubernetes.cluster", "--name", NAME, *words]
        return subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=2700, check=True).stdout

    try:
        command("up", "--with", "kwok")
        served = TypeAdapter(Served).validate_json(command("serve", "--namespace", NAMESPACE))
        cluster = running(NAME)
        assert cluster
        yield cluster, served
    finally:
        command("down")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Problem as problem:
        sys.exit(f"not measured: {problem.what}\n  {problem.remedy}")
