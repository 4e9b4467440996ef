"""Switches on a real Kubernetes: ours, Argo Rollouts, Flagger and plain kubectl, on the same cluster, with the same service and the same load, in one run.

An open-loop client that never retries sends 20 % POSTs, half of its requests over kept-alive connections and half over new ones. Lost is every request
without an answer or with one that nobody intended. Then a release that fails every fifth request goes out by each way that judges releases.

    make bench-kubernetes SWITCHES=10 REQUESTS=100000

It takes what `make kubernetes-up` takes, and builds both peers once. It ends non-zero when a promise is broken, as with fewer requests than were promised.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from kubernetes_argo import argo_rollouts
from kubernetes_flagger import flagger
from kubernetes_observer import Observer, observe
from kubernetes_page import Outcome, Switched, Tried, page, promises
from kubernetes_rules import Switch, losses
from kubernetes_stage import FAULTY, FIRST, GOOD, Setting, await_, await_reached, deploy, on_the_cluster
from kubernetes_ways import Ours, Peer, PlainKubectl, Way
from measured import conclude
from tests.kubernetes.cluster.binaries import ARGO_ROLLOUTS, FLAGGER, build
from unioneyes.cli.rehearse import AFTERGLOW, RATE, roll_out_fault
from unioneyes.environments.local.members import run_members
from unioneyes.kernel.problems import Problem
from unioneyes.ports.traffic import Colour
from unioneyes.simulators.report import read_exchanges, read_pace

WAYS = ("ours", "kubectl", "argo", "flagger")
FEWEST = 5.0
"""Seconds between two switches, so that it can be seen whether the old version still answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The load, how often it is switched, and how often a fault goes out."""

    requests: int
    rate: float
    switches: int
    faults: int


def main() -> int:
    """Run all, print them side by side, and say whether the promises hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000, help="of ours (%(default)s)")
    parser.add_argument("--peer-requests", type=int, help="at least, of each other way; as many as of ours when not given")
    parser.add_argument("--rate", type=float, default=200, help="requests a second (%(default)s)")
    parser.add_argument("--switches", type=int, default=10)
    parser.add_argument("--peer-switches", type=int, help="of Argo Rollouts and Flagger; as many as of ours when not given")
    parser.add_argument("--faults", type=int, default=5, help="how often a faulty release goes out by each way (%(default)s)")
    parser.add_argument("--argo-delay", type=int, default=30, help="scaleDownDelaySeconds of Argo Rollouts (its default: %(default)s)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    arguments = parser.parse_args()
    asked = Asked(requests=arguments.requests, rate=arguments.rate, switches=arguments.switches, faults=arguments.faults)
    of_peers = Asked(
        requests=arguments.peer_requests or asked.requests, rate=asked.rate, switches=arguments.peer_switches or asked.switches, faults=asked.faults
    )
    build(tuple(family for way, family in (("argo", ARGO_ROLLOUTS), ("flagger", FLAGGER)) if way in arguments.ways), print)
    began = os.getloadavg()
    with observe() as observer, on_the_cluster() as setting:
        outcomes = [*_both_colours(setting, observer, asked, of_peers, arguments.ways)]
        ready: dict[str, Callable[[Path], Outcome]] = {
            "argo": lambda folder: _argo(setting, observer, of_peers, folder, delay=arguments.argo_delay),
            "flagger": lambda folder: _flagger(setting, observer, of_peers, folder),
        }
        for name in arguments.ways:
            if name in ready:
                outcomes += _attempted(name, ready[name])
    load = f"load average of the machine: {began[0]:.1f} when it began, {os.getloadavg()[0]:.1f} when it ended"
    return conclude(
        "kubernetes-switch",
        title="Switches on a real Kubernetes",
        text=page(outcomes, load=load),
        promises=promises(outcomes, requests=asked.requests, switches=asked.switches),
    )


def _attempted(name: str, measure: Callable[[Path], Outcome]) -> tuple[Outcome, ...]:
    """Return what came of a peer; nothing, and say why, where it could not be measured: then a promise is not kept."""
    try:
        with TemporaryDirectory(prefix="ue-bench-", dir="/tmp") as folder:
            return (measure(Path(folder)),)
    except (Problem, AssertionError) as error:
        print(f"{name}: not measured: {error.what if isinstance(error, Problem) else error}", flush=True)
        return ()


def _both_colours(setting: Setting, observer: Observer, asked: Asked, of_peers: Asked, ways: Sequence[str]) -> tuple[Outcome, ...]:
    """Measure those that switch between our two colours of pods."""
    ours = Ours(setting)
    found: list[Outcome] = []
    ours.prepare(FIRST)
    switched: Switched | None = None
    if "ours" in ways:
        switched = _switched(setting, observer, ours, asked)
        ours.count_a_deployment()
    if "kubectl" in ways:
        ours.prepare(FIRST if ours.serving == GOOD else GOOD)
        versions = {colour: ours.version(colour) or "" for colour in Colour}
        plain = PlainKubectl(setting, versions)
        plain.install()
        by_hand = _switched(setting, observer, plain, of_peers)
        found.append(_outcome(plain, by_hand, calls=plain.calls(), of=of_peers.switches, tried=()))
    if switched:
        for version in (FIRST, GOOD) if ours.serving == GOOD else (GOOD,):  # what a fault goes back to was put there by a deployment, not by a bench
            deploy(setting.stage, version)
        tried = [_our_fault(setting) for _ in range(asked.faults)]
        found.insert(0, _outcome(ours, switched, calls=ours.calls(), of=1, tried=tried))
    setting.env.replicas.stop(ours.live.other)  # room for the others'
    return tuple(found)


def _outcome(way: Way, switched: Switched, *, calls: Mapping[str, int], of: int, tried: Sequence[Tried]) -> Outcome:
    return Outcome(
        way=way.name,
        configured=way.configured,
        switched=switched,
        calls={verb: count / of for verb, count in sorted(calls.items())},
        memory=way.memory(),
        tried=tuple(tried),
    )


def _our_fault(setting: Setting) -> Tried:
    seen = roll_out_fault(setting.stage, FAULTY)
    print(f"ours, {FAULTY}: {seen.fault_to_good}, {seen.bad} bad answers, {seen.ends_as}", flush=True)
    return Tried(fault_to_good=seen.fault_to_good, bad=seen.bad, taken_back=seen.ends_as == "undone")


def _argo(setting: Setting, observer: Observer, asked: Asked, folder: Path, *, delay: int) -> Outcome:
    with argo_rollouts(setting, observer, version=FIRST, count=setting.env.facts.replicas, delay=delay, folder=folder) as way:
        return _peer(setting, observer, way, asked)


def _flagger(setting: Setting, observer: Observer, asked: Asked, folder: Path) -> Outcome:
    with flagger(setting, observer, version=FIRST, count=setting.env.facts.replicas, folder=folder) as way:
        return _peer(setting, observer, way, asked)


def _peer(setting: Setting, observer: Observer, way: Peer, asked: Asked) -> Outcome:
    before = way.calls()
    switched = _switched(setting, observer, way, asked)
    calls = way.calls() - before
    way.judge()
    tried = [_peers_fault(setting, observer, way) for _ in range(asked.faults)]
    return _outcome(way, switched, calls=calls, of=asked.switches, tried=tried)


def _peers_fault(setting: Setting, observer: Observer, way: Peer) -> Tried:
    """The faulty release went out, and was taken back by the peer's own analysis, or never."""
    good = way.serving
    with run_members(setting.home, rate=RATE, url=way.url) as members:
        observer.watch(members.report)
        taken_back = True
        try:
            way.prepare(FAULTY)
            way.promote()
            way.taken_back()
        except Problem as problem:
            print(f"{way.name}: {problem.what}", flush=True)
            taken_back = False
        time.sleep(AFTERGLOW.total_seconds())
        seen = members.finish()
    bad = seen.last_bad_at - seen.first_bad_at if seen.first_bad_at and seen.last_bad_at else None
    count = sum(each.bad for each in seen.versions)
    print(f"{way.name}, {FAULTY} after {good}: {bad}, {count} bad answers, {'taken back' if taken_back else 'not taken back'}", flush=True)
    return Tried(fault_to_good=bad, bad=count, taken_back=taken_back)


def _switched(setting: Setting, observer: Observer, way: Way, asked: Asked) -> Switched:
    """Switch as often as asked, under load, and return what the members saw of it."""
    spread = max(asked.requests / asked.rate / (asked.switches + 1), FEWEST)
    print(f"{way.name}: {asked.requests:,} requests at {asked.rate:.0f}/s, {asked.switches} switches", flush=True)
    setting.forget_connections()
    await_reached(way.url)
    commands: list[tuple[float, float, str]] = []
    with run_members(setting.home, rate=asked.rate, url=way.url) as members:
        observer.watch(members.report)
        for _ in range(asked.switches):
            old, since = way.serving, time.monotonic()
            way.prepare(FIRST if old == GOOD else GOOD)
            time.sleep(max(since + spread / 2 - time.monotonic(), 0))  # switches are spread over the requests
            began = time.time()
            way.promote()
            commands.append((began, time.time(), old))
            way.settle()
            time.sleep(max(since + spread - time.monotonic(), FEWEST / 2))  # it must be seen who answers afterwards
            print(f"  {old} was followed by {way.serving}; the command took {commands[-1][1] - began:.2f} s", flush=True)
        await_(lambda: lines(members.report) >= asked.requests, "the members have asked all", within=timedelta(seconds=2 * asked.requests / asked.rate))
        ended = time.time()
        members.finish()
        exchanges, pace = tuple(read_exchanges(members.report)), read_pace(members.report)
    untils = [*(each[0] for each in commands[1:]), ended]
    switches = tuple(Switch(asked=began, confirmed=done, until=until, old=old) for (began, done, old), until in zip(commands, untils, strict=True))
    found = Switched.seen_by(exchanges, switches, pace)
    print("".join(f"  {each}\n" for each in losses(exchanges, switches)), end="", flush=True)
    last = ", ".join(f"{each.after.total_seconds():.2f}" for each in (*found.new, *found.kept))
    print(
        f"  lost {found.seen.lost} of {found.seen.sent:,}; the old version answered for so many seconds more, new and kept-alive connections: {last}",
        flush=True,
    )
    return found


def lines(path: Path) -> int:
    """Return how many lines a file has."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Problem as problem:
        sys.exit(f"not measured: {problem.what}\n  {problem.remedy}")
