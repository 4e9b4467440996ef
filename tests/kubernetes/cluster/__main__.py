"""`python -m tests.kubernetes.cluster up|serve|down|status`: what `make kubernetes-up|down|status` and `ue env up --env cluster-test` run."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict

from tests.kubernetes.cluster.lifecycle import down, up
from tests.kubernetes.cluster.parts.all import PARTS, USUAL
from tests.kubernetes.cluster.running import running
from tests.kubernetes.cluster.served import serve
from tests.kubernetes.cluster.status import describe
from unioneyes.kernel.problems import Problem


def main() -> int:
    """Return the exit code, as `ue` has it. Results go to standard output, progress to standard error."""
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes.cluster", description="A real Kubernetes on this machine, for tests.")
    parser.add_argument("--name", default="test", help="of the cluster; several may run (default: test)")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="start it, unless it is up, and print the path of its kubeconfig")
    starting.add_argument("--nodes", type=int, choices=range(1, 10), default=1)
    names = [part.name for part in PARTS]
    starting.add_argument("--with", dest="more", nargs="*", default=[], choices=names, help="parts beside the usual ones, or with `--core`, the only ones")
    starting.add_argument(
        "--without", nargs="*", default=[], choices=names, help=f"usual parts that are left out; usual are: {', '.join(part.name for part in USUAL)}"
    )
    starting.add_argument("--core", action="store_true", help="leave out every usual part")
    serving = commands.add_parser(
        "serve", help="put the service's objects and images on it, which is started where it is not up, and print where everything is"
    )
    serving.add_argument("--namespace", default="unioneyes-rehearsal")
    serving.add_argument("--anew", action="store_true", help="delete the namespace before")
    commands.add_parser("down", help="end it, or what is left of it; nothing is left afterwards")
    commands.add_parser("status", help="show what of it runs")
    asked = parser.parse_args()
    try:
        return _carry_out(asked)
    except KeyboardInterrupt:
        _say("stopped in the middle; make kubernetes-down removes what is left")
        return 130
    except Problem as problem:
        _say(f"{problem.what}\n  {problem.remedy}")
        return problem.exit_code


def _carry_out(asked: argparse.Namespace) -> int:
    began = time.monotonic()
    match asked.command:
        case "up":
            usual = () if asked.core else USUAL
            parts = tuple(part for part in PARTS if part.name in asked.more or (part in usual and part.name not in asked.without))
            cluster = up(asked.name, nodes=asked.nodes, parts=parts, say=_say)
            _say(f"{asked.name}: {len(cluster.nodes)} node(s) ready after {time.monotonic() - began:.1f} s")
            _print(str(cluster.layout.kubeconfig))
        case "serve":
            cluster = running(asked.name) or up(asked.name, nodes=1, parts=USUAL, say=_say)
            _print(json.dumps(asdict(serve(cluster, namespace=asked.namespace, anew=asked.anew, say=_say)), indent=1))
        case "down":
            was = down(asked.name, say=_say)
            _say(f"{asked.name}: nothing is left of it, after {time.monotonic() - began:.1f} s" if was else f"{asked.name}: there was nothing")
        case _:
            cluster_or_none = running(asked.name)
            _print(describe(asked.name, cluster_or_none))
            return 0 if cluster_or_none else 1
    return 0


def _say(words: str) -> None:
    sys.stderr.write(f"kubernetes: {words}\n")
    sys.stderr.flush()


def _print(words: str) -> None:
    sys.stdout.write(f"{words}\n")


if __name__ == "__main__":
    sys.exit(main())
