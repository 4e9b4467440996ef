"""The ways to switch that stand beside each other: ours, and the document's own, plain kubectl."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import httpx

from bench_footprint import CONTROL_PLANE, measure
from kubernetes_stage import FIRST, GOOD, READY_WITHIN, Setting, await_
from unioneyes.environments.local.stack import open_stack
from unioneyes.ports.traffic import Colour, Weights


class Way(Protocol):
    """How a version takes another one's place."""

    @property
    def name(self) -> str:
        """With its version."""
        ...

    @property
    def configured(self) -> str:
        """How, for the page."""
        ...

    @property
    def url(self) -> str:
        """Where members come in."""
        ...

    @property
    def serving(self) -> str:
        """The version that serves the members."""
        ...

    def prepare(self, version: str) -> None:
        """The version is ready beside the one that serves, and waits for a word."""
        ...

    def promote(self) -> None:
        """The word was given; whatever the command waits for is so."""
        ...

    def settle(self) -> None:
        """What it does by itself after that is done."""
        ...

    def calls(self) -> Counter[str]:
        """Return what the API server was asked until now, by verb."""
        ...

    def memory(self) -> float | None:
        """Return what its controller takes, in KiB; None where it has none."""
        ...


class Peer(Way, Protocol):
    """One whose controller judges a release by itself."""

    def judge(self) -> None:
        """From now on, it does."""
        ...

    def taken_back(self) -> None:
        """The version that was promoted last was taken back, and its pods are gone. Raises: NotInTime."""
        ...


@dataclass
class Ours:
    """Route weights, confirmed by the proxies; both colours are warm."""

    setting: Setting
    name: str = "ours"
    configured: str = "`ue`'s own traffic adapter on Gateway API routes, as each step of `ue deploy start` calls it; both colours warm"
    _counted: Counter[str] = field(default_factory=Counter)
    _idle: Colour = Colour.GREEN
    """What was prepared last, and is promoted next."""

    @property
    def url(self) -> str:
        """See `Way`."""
        return open_stack(self.setting.home).service_url

    @property
    def live(self) -> Colour:
        """The colour that serves."""
        return self.setting.env.traffic.view().weights.live or Colour.BLUE

    @property
    def serving(self) -> str:
        """See `Way`."""
        return self.version(self.live) or ""

    def version(self, colour: Colour) -> str | None:
        """Return what stands on a colour; None where nothing does."""
        return next((each.version for each in self.setting.env.replicas.all() if each.colour is colour), None)

    def prepare(self, version: str) -> None:
        """See `Way`."""
        env, self._idle = self.setting.env, self.live.other
        if self.version(self._idle) != version:
            env.replicas.start(self._idle, version=version, count=env.facts.replicas, within=READY_WITHIN)

    def promote(self) -> None:
        """See `Way`. The step of a deployment knows its colour, too: it was planned."""
        self.setting.env.traffic.shift(Weights.all_to(self._idle))

    def settle(self) -> None:
        """Nothing is left to do: it was confirmed."""

    def calls(self) -> Counter[str]:
        """See `Way`."""
        return self._counted

    def count_a_deployment(self) -> None:
        """What a whole exchange asks of the API server was counted: the idle colour is started anew, switched to, and the one before is stopped."""
        env, before = self.setting.env, self.serving
        env.replicas.stop(self.live.other)
        with _counting(self.setting.cluster.addresses.api) as counted:
            self.prepare(FIRST if before == GOOD else GOOD)
            self.promote()
            env.replicas.stop(self.live.other)
        self._counted = counted

    def memory(self) -> float | None:
        """See `Way`."""
        taken = measure(self.setting.home, 1.0)
        return sum(taken[name].pss for name in CONTROL_PLANE)


@dataclass
class PlainKubectl:
    """The document's: the Service's selector is patched. The same two colours of pods, by a Service of its own."""

    setting: Setting
    versions: dict[Colour, str]
    live: Colour = Colour.BLUE
    name: str = "kubectl patch"
    configured: str = "kubectl patch service, the document's own way; both colours warm, and nothing is scaled down afterwards"
    _asked: Counter[str] = field(default_factory=Counter)

    @property
    def _service(self) -> str:
        return "bench-kubectl"

    def install(self) -> None:
        """The Service stands before the blue pods, and leads to them: the node's proxy learns of it a moment later."""
        self.setting.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": self._service},
                "spec": {
                    "type": "NodePort",
                    "selector": {"app": "unioneyes-web", "version": str(self.live)},
                    "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
                },
            }
        )
        await_(lambda: _answers(self.url), "the Service leads to its pods", within=READY_WITHIN)

    @property
    def url(self) -> str:
        """See `Way`."""
        return self.setting.port(self._service)

    @property
    def serving(self) -> str:
        """See `Way`."""
        return self.versions[self.live]

    def prepare(self, version: str) -> None:
        """Both are warm."""
        assert self.versions[self.live.other] == version

    def promote(self) -> None:
        """See `Way`."""
        patch = json.dumps({"spec": {"selector": {"version": str(self.live.other)}}})
        self.setting.kubectl("patch", "service", self._service, f"--patch={patch}")
        self.live = self.live.other
        self._asked["PATCH"] += 1  # and a GET before it: kubectl reads what it patches
        self._asked["GET"] += 1

    def settle(self) -> None:
        """Nobody waits for anything."""

    def calls(self) -> Counter[str]:
        """See `Way`."""
        return self._asked

    def memory(self) -> float | None:
        """It has no controller."""
        return None


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/health", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def _counting(api: str) -> Iterator[Counter[str]]:
    """Count what this process asks the API server: the adapters' client says each request to its logger."""
    counted: Counter[str] = Counter()

    class Count(logging.Handler):
        """Counts, and keeps nothing."""

        def emit(self, record: logging.LogRecord) -> None:
            """Count one request by its verb; a watch as such."""
            verb, url = (str(each) for each in (record.args or ())[:2]) if isinstance(record.args, tuple) else ("", "")
            if url.startswith(api):
                counted["WATCH" if "watch=true" in url else verb] += 1

    logger, handler = logging.getLogger("httpx2"), Count(logging.INFO)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield counted
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


SETTLED_WITHIN = timedelta(minutes=5)
"""For what a peer does by itself."""
