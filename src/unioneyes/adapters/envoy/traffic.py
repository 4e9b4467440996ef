"""The traffic port on Envoy: every change is one file replaced, and Envoy's own word that it took it."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from unioneyes.adapters.envoy.admin import EnvoyAdmin
from unioneyes.adapters.envoy.config import (
    IDLE,
    MAINTENANCE,
    NOTHING_DEPLOYED,
    Guards,
    Routes,
    bootstrap,
    endpoints,
    endpoints_file,
    preview_cluster,
    read_configuration,
    read_routes,
    revision,
    routes,
    routes_file,
)
from unioneyes.adapters.envoy.confirming import confirm, new_version
from unioneyes.adapters.envoy.counters import parse_counters
from unioneyes.adapters.envoy.edge_config import DENY, LIMIT, deny_document, edge_answers, edge_file, edge_filters, limit_document
from unioneyes.adapters.envoy.program import envoy_program
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.clock import now
from unioneyes.kernel.fencing import Fence, StillInside
from unioneyes.kernel.files import replace_file
from unioneyes.kernel.units import format_duration
from unioneyes.ports.traffic import (
    Colour,
    Counters,
    Drained,
    ForeignRoutes,
    NoHealthyReplica,
    RoutesRejected,
    TrafficShifted,
    TrafficUnavailable,
    TrafficView,
    Weights,
)

_HEALTHY_LIMIT = timedelta(seconds=10)
_DRAIN_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyTraffic:
    """Traffic by an Envoy whose files stand in `folder`. A value: whoever runs Envoy takes `argv`."""

    folder: Path
    """An absolute path: Envoy watches it."""
    public_port: int
    """Where members come in, on 127.0.0.1."""
    preview_port: int
    """Where a colour is tried: `x-preview: blue|green` picks one, without it the idle one answers."""
    admin_socket: Path

    @property
    def argv(self) -> tuple[str, ...]:
        """The command that runs Envoy in the foreground. Raises: EnvoyMissing."""
        return (str(envoy_program()), "-c", str(self._bootstrap_file), "--disable-hot-restart", "--concurrency", "2", "--log-level", "warning")

    def prepare(self) -> None:
        """Every file that Envoy reads exists. What stands there already but for the bootstrap is kept: it is the durable state."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        guards = Guards(filters=edge_filters(self.folder), answers=edge_answers())
        wanted = bootstrap(self.folder, public_port=self.public_port, preview_port=self.preview_port, admin_socket=self.admin_socket, guards=guards)
        replace_file(self._bootstrap_file, json.dumps(wanted, indent=1))
        for colour in Colour:
            if not endpoints_file(self.folder, colour).exists():
                replace_file(endpoints_file(self.folder, colour), json.dumps(endpoints(colour, (), version="initial")))
        for name, nothing in ((LIMIT, limit_document(None, version="initial")), (DENY, deny_document((), version="initial"))):
            if not edge_file(self.folder, name).exists():
                replace_file(edge_file(self.folder, name), json.dumps(nothing))
        if not self._routes_file.exists():
            replace_file(self._routes_file, json.dumps(routes(Routes(weights=Weights()), version="initial")))

    def publish(self, colour: Colour, sockets: tuple[Path, ...], *, within: timedelta = _HEALTHY_LIMIT) -> None:
        """Requests for `colour` go to the replicas behind `sockets`, and to no other; Envoy holds each of them for healthy.

        Raises: NoHealthyReplica (some did not get healthy; they are named all the same), RoutesRejected, TrafficUnavailable.
        """
        clusters = (colour.value, preview_cluster(colour))
        with self._only_writer():
            refused = {cluster: self._admin.endpoints_accepted(cluster).refused for cluster in clusters}
            version = new_version()
            replace_file(endpoints_file(self.folder, colour), json.dumps(endpoints(colour, sockets, version=version)))
            for cluster in clusters:
                confirm(partial(self._admin.endpoints_accepted, cluster), version, refused[cluster])
        self._await_healthy(colour, len(sockets), within)

    def require_means(self, *, shares: bool = False, maintenance: bool = False) -> None:
        """Return: the routes offer both."""
        del shares, maintenance

    def view(self) -> TrafficView:
        """Return what the routes say now, as Envoy runs them. The revision covers the file too, so that an edit that Envoy refused shows.

        Raises: ForeignRoutes, TrafficUnavailable.
        """
        running = self._admin.running_routes()
        state = self._state(running)
        return TrafficView(
            weights=state.weights,
            maintenance=state.maintenance,
            revision=revision(running, self._read_file()),
            in_force=self._filed_state() == state,
        )

    def shift(self, weights: Weights) -> TrafficShifted:
        """All new requests follow `weights`. Refuses weights for a colour without a healthy replica.

        Raises: NoHealthyReplica (nothing was changed), RoutesRejected (the old routes stay), TrafficUnavailable.
        """
        started = time.monotonic()
        with self._only_writer():
            for colour in Colour:
                self._require_healthy(colour, weights)
            self._apply(replace(self._running_state(), weights=weights))
        took = timedelta(seconds=time.monotonic() - started)
        return TrafficShifted(weights=weights, took=took, revision=self.view().revision)

    def describe_shift(self, weights: Weights) -> tuple[str, ...]:
        """Return the commands that a person would type for the same: one file changed at once, and Envoy asked whether it took it."""
        nothing = 100 * (weights.live is None)
        idle = weights.live.other if weights.live else Colour.BLUE
        edits = [f's#("{NOTHING_DEPLOYED}", [^0-9]*)[0-9]+#\\1{nothing}#', f's#("{IDLE}", "route": ."cluster": "preview_)[a-z]+#\\1{idle}#']
        if weights.live:
            edits += [f's#("name": "{colour}", "weight": )[0-9]+#\\1{weights.of(colour)}#g' for colour in Colour]
        return self._by_hand(*edits)

    def enter_maintenance(self, *, retry_after: timedelta) -> TrafficView:
        """Every request is answered with 503 and Retry-After; previews still work. Raises: RoutesRejected, TrafficUnavailable."""
        with self._only_writer():
            self._apply(replace(self._running_state(), maintenance=True, retry_after=retry_after))
        return self.view()

    def leave_maintenance(self) -> TrafficView:
        """Requests reach the colours again. Raises: RoutesRejected, TrafficUnavailable."""
        with self._only_writer():
            self._apply(replace(self._running_state(), maintenance=False))
        return self.view()

    def describe_maintenance(self, *, on: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return self._by_hand(f's#("{MAINTENANCE}", [^0-9]*)[0-9]+#\\1{100 * on}#')

    def drained(self, colour: Colour, *, within: timedelta) -> Drained:
        """Return when `colour` has no request under way in two looks running and got none between them, or when the time is up. Raises: TrafficUnavailable."""
        started = time.monotonic()
        before = None
        while True:
            counted = self.counters().of(colour)
            took = timedelta(seconds=time.monotonic() - started)
            still = (counted.active, counted.answers)
            if still == before and counted.active == 0:
                return Drained(colour=colour, took=took, left=0)
            if took >= within:
                return Drained(colour=colour, took=took, left=counted.active)
            before = still
            sleep(_DRAIN_POLL_SECONDS)

    def rehearse_shift(self) -> timedelta:
        """Return how long Envoy takes to confirm its present routes, written anew. A file that says something else is left alone: somebody must see it.

        Raises: RoutesRejected, TrafficUnavailable.
        """
        started = time.monotonic()
        with self._only_writer():
            running = self._running_state()
            if self._filed_state() != running:
                raise RoutesRejected(
                    what=f"{self._routes_file} says something that Envoy does not run", remedy="ue deploy status; the next shift writes it anew"
                )
            self._write(running)
        return timedelta(seconds=time.monotonic() - started)

    def counters(self) -> Counters:
        """Return Envoy's counters. Raises: TrafficUnavailable."""
        text = self._admin.metrics()
        return parse_counters(text, at=now())

    @property
    def _admin(self) -> EnvoyAdmin:
        return EnvoyAdmin(socket=self.admin_socket)

    @property
    def _bootstrap_file(self) -> Path:
        return self.folder / "bootstrap.json"

    @property
    def _routes_file(self) -> Path:
        return routes_file(self.folder)

    def _apply(self, wanted: Routes) -> None:
        """Envoy runs `wanted`, and the file says the same. Nothing is written when both do already."""
        if self._running_state() == wanted and self._filed_state() == wanted:
            return
        self._write(replace(wanted, change=new_version()))

    def _write(self, wanted: Routes) -> None:
        """The file says `wanted`, and Envoy took it; else the file is as it was before. Call it as the only writer."""
        before, refused, version = self._read_file(), self._admin.routes_accepted().refused, new_version()
        replace_file(self._routes_file, json.dumps(routes(wanted, version=version)))
        try:
            confirm(self._admin.routes_accepted, version, refused)
        except (RoutesRejected, TrafficUnavailable):
            replace_file(self._routes_file, before)
            raise

    def _running_state(self) -> Routes:
        """Return what Envoy runs."""
        return self._state(self._admin.running_routes())

    def _state(self, running: JsonValue) -> Routes:
        try:
            return read_configuration(running)
        except (ValueError, KeyError) as error:
            raise ForeignRoutes(
                what=f"Envoy runs no routes that this program wrote: {self._routes_file} is broken, or was made by hand",
                remedy=f"restore the file, or move it away and call `ue env down` and `ue env up`: rm {self._routes_file}",
            ) from error

    def _filed_state(self) -> Routes | None:
        """Return what the file says; None when it says nothing that can be read."""
        try:
            return read_routes(self._read_file())
        except (ValueError, KeyError):
            return None

    def _read_file(self) -> str:
        try:
            return self._routes_file.read_text()
        except OSError as error:
            raise TrafficUnavailable(what=f"{self._routes_file} can't be read: {error.strerror}", remedy="ue env up writes it anew") from error

    def _require_healthy(self, colour: Colour, weights: Weights) -> None:
        healthy, replicas = self._admin.members(colour) if weights.of(colour) else (1, 1)
        if not healthy:
            raise NoHealthyReplica(
                what=f"{colour} has no healthy replica ({replicas} known), so it gets no requests; the routes were left as they are",
                remedy="ue env status shows the replicas, ue env doctor what is wrong",
            )

    def _await_healthy(self, colour: Colour, count: int, within: timedelta) -> None:
        give_up = time.monotonic() + within.total_seconds()
        for cluster in (colour.value, preview_cluster(colour)):
            while (members := self._admin.members(cluster)) != (count, count):
                if time.monotonic() > give_up:
                    raise NoHealthyReplica(
                        what=f"Envoy holds {members[0]} of {count} replicas of {colour} for healthy after {format_duration(within)}",
                        remedy="see why they do not answer /healthz in their logs",
                    )
                sleep(_DRAIN_POLL_SECONDS / 5)

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        try:
            with Fence(self.folder / "writer.lock").entered():
                yield
        except StillInside:
            raise TrafficUnavailable(what="another process has been changing the routes for too long", remedy="end it, then try again") from None

    def _by_hand(self, *edits: str) -> tuple[str, ...]:
        marked = ('s#("(version_info|change)": ")[^"]*#\\1by-hand#g', *edits)
        sed = shlex.join(("sed", "-i", "-E", *(word for edit in marked for word in ("-e", edit)), str(self._routes_file)))
        ask = shlex.join(("curl", "--silent", "--unix-socket", str(self.admin_socket), "http://envoy/stats?filter=rds.main.version_text"))
        return (sed, ask)
