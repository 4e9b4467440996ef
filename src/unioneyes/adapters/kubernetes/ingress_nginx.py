"""The edge's three jobs by annotations of the Ingress by which ingress-nginx serves members: for clusters that still have it.

What its controller makes of an annotation can't be read from outside. So a change counts when it is filed, and a real request is answered as it should be. The
controller itself is in no test of the project's: docs/decisions, "ingress-nginx".
"""

from __future__ import annotations

import logging
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from ipaddress import ip_network

import httpx
from lightkube.resources.networking_v1 import Ingress, IngressClass
from pydantic import JsonValue

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import MissingRight, NotAdmitted, ObjectMissing
from unioneyes.adapters.kubernetes.fencing import WITHIN, fenced
from unioneyes.adapters.kubernetes.reached import for_edge, for_traffic
from unioneyes.adapters.kubernetes.watching import metadata
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.problems import Problem, Refused, Unavailable
from unioneyes.ports.edge import BadLimit, EdgeRejected, EdgeUnavailable, EdgeView, Network, RateLimit, collapsed, refuse_ours
from unioneyes.ports.traffic import ForeignRoutes, RoutesRejected

CONTROLLER = "k8s.io/ingress-nginx"
"""What an IngressClass of ingress-nginx says. Source: its documentation, "Multiple controllers"."""
_PREFIX = "nginx.ingress.kubernetes.io/"
LIMITS = {timedelta(seconds=1): f"{_PREFIX}limit-rps", timedelta(minutes=1): f"{_PREFIX}limit-rpm"}
"""By what ingress-nginx counts. Source: its documentation, "Rate Limiting"."""
BURST = f"{_PREFIX}limit-burst-multiplier"
"""How many times the limit may come at once; 5 where it is not given."""
DENIED = f"{_PREFIX}denylist-source-range"
SNIPPET = f"{_PREFIX}configuration-snippet"
UNTESTED = "only that it is filed: ingress-nginx does not show what it does, and is untested; it answers too many with 503, unless its ConfigMap says 429"
SETTLES = timedelta(seconds=5)
"""How long nginx may take to do what is filed: its controller writes its configuration once in 3.3 s at most (`--sync-rate-limit`)."""
TOLD_AGAIN = timedelta(seconds=30)
"""What a person's command says to members of when to come back; a run says its own."""
_ANSWER_LIMIT = timedelta(seconds=5)
_PUT_BACK_LIMIT = timedelta(seconds=5)
_PAUSE, _BETWEEN_REQUESTS = 0.05, 0.3
_ASKED_AT_MOST = 3
_OURS = re.compile(r"add_header Retry-After ([0-9]+) always; return 503;")
_ALLOW = (
    'let its controller take snippets: allow-snippet-annotations: "true" in its ConfigMap, and since v1.12 annotations-risk-level: Critical;'
    " or do without maintenance"
)
_logger = logging.getLogger(__name__)


class NotServedByNginx(Refused):
    """The Ingress that the settings name is none that ingress-nginx serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressAnnotations:
    """The annotations of the members' Ingress, and a look at what members get. A value: threads may share it."""

    cluster: Cluster
    name: str
    members_url: str
    """What is asked to see that a change does what it should: a page that costs little, as members reach it."""
    settles: timedelta = SETTLES

    def __str__(self) -> str:
        """Return what it is called in problems."""
        return f"the Ingress {self.name}"

    def read(self) -> Mapping[str, str]:
        """Return what they say. Raises: NotServedByNginx, and the problems of the cluster."""
        there = self._get()
        self._require_served(there)
        return _annotations(there)

    def look(self) -> Mapping[str, str]:
        """Return what they say, whoever serves the Ingress; nothing where there is none. Raises: the problems of the cluster."""
        return _annotations(found) if (found := self.cluster.find(Ingress, self.name)) else {}

    def write(self, say: Callable[[Mapping[str, str]], Mapping[str, str | None]], wrong: Callable[[], str]) -> None:
        """They say what `say` makes of what they said (None: nothing), and `wrong` finds nothing; else they say what they did before.

        One write, which names the resourceVersion that was read and carries the fencing token; where they say it already, only that. `wrong` returns what is
        not as it should be. Raises: what `say` raises, FencedOff, NotServedByNginx, NotAdmitted (nothing was changed), RoutesRejected (as it was before).
        """
        until = time.monotonic() + WITHIN.total_seconds()
        before: Mapping[str, str | None] = {}
        while True:
            there = self._get()
            self._require_served(there)
            annotations = _annotations(there)
            wanted = say(annotations)
            change = {name: value for name, value in wanted.items() if annotations.get(name) != value}
            before = {name: annotations.get(name) for name in change} or before  # else as it was, or as this write left it, whose answer did not come
            try:
                self._patch(there, change)
                break
            except Unavailable:  # it changed meanwhile; or nobody knows whether the write came through: that shows now
                if time.monotonic() > until:
                    raise
                sleep(_PAUSE)
        if not (found := wrong()):
            return
        if not before:
            raise RoutesRejected(what=f"{self} says so already, but {found}", remedy="nothing was changed; does ingress-nginx run?")
        after = "it was put back" if self._put_back(before, wanted) else f"it could not be put back: {self.by_hand(before)}"
        raise RoutesRejected(what=f"{self} said so, but {found}", remedy=f"{after}; does ingress-nginx run, and does {self.members_url} lead to it?")

    def by_hand(self, change: Mapping[str, str | None]) -> str:
        """Return the command that a person would type for a change."""
        said = (f"{name}-" if value is None else f"{name}={value}" for name, value in change.items())
        return shlex.join(("kubectl", "-n", self.cluster.namespace, "annotate", "ingress", self.name, "--overwrite", *said))

    def ask(self) -> httpx.Response | None:
        """Return a real answer, as a member gets it; None where there is none."""
        try:
            with httpx.Client(timeout=_ANSWER_LIMIT.total_seconds(), trust_env=False) as client:
                return client.get(self.members_url)
        except httpx.HTTPError:
            return None

    def _get(self) -> Ingress:
        try:
            return self.cluster.get(Ingress, self.name)
        except ObjectMissing as problem:
            raise NotServedByNginx(what=problem.what, remedy="name the members' Ingress in [cluster] ingress: kubectl get ingress") from None

    def _require_served(self, there: Ingress) -> None:
        """Return where its class is one of ingress-nginx's. Raises: NotServedByNginx, and the problems of the cluster."""
        of = (there.spec and there.spec.ingressClassName) or ""
        remedy = "name an Ingress in [cluster] ingress whose spec.ingressClassName is one of ingress-nginx's: kubectl get ingressclass; or leave it out"
        if not of:
            raise NotServedByNginx(what=f"{self} names no class, so nobody knows what serves it", remedy=remedy)
        try:
            found = self.cluster.get_of_cluster(IngressClass, of)
        except ObjectMissing:
            raise NotServedByNginx(what=f"{self} is of the class {of}, which does not exist", remedy=remedy) from None
        except MissingRight as problem:
            raise NotServedByNginx(what=f"what serves {self} can't be seen: {problem.what}", remedy=problem.remedy) from None
        controller = (found.spec and found.spec.controller) or "nobody"
        if controller != CONTROLLER:
            raise NotServedByNginx(what=f"{self} is served by {controller} (class {of}), and not by ingress-nginx", remedy=remedy)

    def _patch(self, there: Ingress, change: Mapping[str, str | None]) -> None:
        """Raises: FencedOff, ChangedMeanwhile, NotAdmitted, and the other problems of the cluster."""
        annotations: dict[str, JsonValue] = dict(change)
        said: dict[str, JsonValue] = {"metadata": {"annotations": annotations, "resourceVersion": metadata(there).resourceVersion}}
        self.cluster.patch(Ingress, self.name, fenced(said, _annotations(there), str(self)))

    def _put_back(self, before: Mapping[str, str | None], written: Mapping[str, str | None]) -> bool:
        """Return whether they say what they did before; where somebody has written something else meanwhile, that is left, and counts too."""
        until = time.monotonic() + _PUT_BACK_LIMIT.total_seconds()
        while time.monotonic() < until:
            try:
                now = self._get()
                if all(_annotations(now).get(name) == written.get(name) for name in before):
                    self._patch(now, before)
            except Unavailable:
                time.sleep(_PAUSE)  # a cancelled run does not cut it short: members are waiting for it
                continue
            except Problem:
                break
            return True
        _logger.warning("%s could not be put back", self)
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressNginxEdge:
    """The edge by the annotations of the members' Ingress. A value: threads may share it."""

    ingress: IngressAnnotations
    own: tuple[Network, ...] = ()
    """Never kept out: our own networks, and those of whom the service depends on."""

    def view(self) -> EdgeView:
        """Return what is filed; nginx shows to nobody what it does. Raises: NotServedByNginx, EdgeUnavailable."""
        with _edge():
            said = self.ingress.read()
            return EdgeView(limit=read_limit(said), denied=read_denied(said), in_force=True, note=UNTESTED)

    def limit(self, limit: RateLimit | None) -> EdgeView:
        """Each client's address may make so many requests. See the port. Raises: BadLimit, by the hour, too."""
        wanted, before = limit_annotations(limit), self.ingress.ask()

        def wrong() -> str:
            sleep(self.ingress.settles.total_seconds())
            found = ""
            for _ in range(_ASKED_AT_MOST):
                answer = self.ingress.ask()
                if answer is not None and (not _refuses(answer) or (before is not None and _refuses(before))):
                    return ""
                found = f"{self.ingress.members_url} {'gives no answer' if answer is None else f'answers {answer.status_code}'}"
                sleep(_BETWEEN_REQUESTS)
            return found

        with _edge():
            self.ingress.write(lambda _: wanted, wrong)
        return self.view()

    def describe_limit(self, limit: RateLimit | None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Raises: BadLimit."""
        return (self.ingress.by_hand(limit_annotations(limit)),)

    def deny(self, networks: tuple[Network, ...]) -> EdgeView:
        """Requests from these networks, and from no other, are answered with 403. See the port."""
        wanted = collapsed(networks)
        self.require_others(wanted)
        before = _status(self.ingress.ask())

        def wrong() -> str:
            """Wait until it shows whether we are kept out: at once where the answer is another one than before, and else when nginx has had its time."""
            until = time.monotonic() + self.ingress.settles.total_seconds()
            while True:
                status = _status(self.ingress.ask())
                if (status == HTTPStatus.FORBIDDEN) != (before == HTTPStatus.FORBIDDEN) or time.monotonic() > until:
                    break
                sleep(_BETWEEN_REQUESTS)
            if status is None:
                return f"{self.ingress.members_url} gives no answer"
            return "we are kept out ourselves" if status == HTTPStatus.FORBIDDEN else ""

        with _edge():
            self.ingress.write(lambda _: deny_annotations(wanted), wrong)
        return self.view()

    def describe_deny(self, networks: tuple[Network, ...]) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return (self.ingress.by_hand(deny_annotations(collapsed(networks))),)

    def require_others(self, networks: tuple[Network, ...]) -> None:
        """Return where none of these is ours. Raises: OwnNetwork."""
        refuse_ours(networks, self.own)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressMaintenance:
    """Maintenance by a snippet of nginx's configuration. A value: threads may share it."""

    ingress: IngressAnnotations

    def lasts(self) -> bool:
        """Return whether our snippet is filed. Raises: TrafficUnavailable."""
        with for_traffic():
            return read_snippet(self.ingress.look()) is not None

    def enter(self, retry_after: timedelta) -> None:
        """Every request is answered with 503 and Retry-After.

        Raises: NotServedByNginx, ForeignRoutes (nothing was changed), RoutesRejected (as it was before), TrafficUnavailable.
        """
        wanted = snippet(retry_after)

        def say(annotations: Mapping[str, str]) -> Mapping[str, str | None]:
            if (there := annotations.get(SNIPPET)) and read_snippet(annotations) is None:
                raise ForeignRoutes(
                    what=f"{self.ingress} has a configuration-snippet that this program did not write, and would write over: {there}",
                    remedy=f"put that into the controller's ConfigMap, take it away ({self.ingress.by_hand({SNIPPET: None})}), or do without maintenance",
                )
            return {SNIPPET: wanted}

        def wrong() -> str:
            return "" if self._shown(retry_after, told=True) else "members are not told so: no real request was answered with 503 and its Retry-After"

        with for_traffic():
            try:
                self.ingress.write(say, wrong)
            except NotAdmitted as problem:
                raise RoutesRejected(what=f"maintenance was refused, and nothing was changed: {problem.what}", remedy=_ALLOW) from None

    def leave(self) -> None:
        """Our snippet is gone, and no other one. Raises: as `enter`."""
        ours: timedelta | None = None

        def say(annotations: Mapping[str, str]) -> Mapping[str, str | None]:
            nonlocal ours
            if (found := read_snippet(annotations)) is None:
                return {}
            ours = found
            return {SNIPPET: None}

        def wrong() -> str:
            return "" if ours is None or self._shown(ours, told=False) else "members are still told that there is maintenance, or nothing at all"

        with for_traffic():
            try:
                self.ingress.write(say, wrong)
            except NotAdmitted as problem:
                raise RoutesRejected(what=f"the end of maintenance was refused, and nothing was changed: {problem.what}", remedy=problem.remedy) from None

    def describe(self, *, on: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return (self.ingress.by_hand({SNIPPET: snippet(TOLD_AGAIN) if on else None}),)

    def _shown(self, retry_after: timedelta, *, told: bool) -> bool:
        """Return whether members are told so, or are not, by a real answer within the time that nginx may take."""
        until = time.monotonic() + 2 * self.ingress.settles.total_seconds()
        while time.monotonic() < until:
            answer = self.ingress.ask()
            if answer is not None and _says(answer, retry_after) == told:
                return True
            sleep(_BETWEEN_REQUESTS)
        return False


def limit_annotations(limit: RateLimit | None) -> Mapping[str, str | None]:
    """Return what a limit is filed as: every annotation of it, also those that are not to be there (None). Raises: BadLimit."""
    none: dict[str, str | None] = dict.fromkeys((*LIMITS.values(), BURST))
    if limit is None:
        return none
    limit.require_countable()
    if limit.per not in LIMITS:
        raise BadLimit(what=f"{limit} can't be a limit here: ingress-nginx counts by the second or the minute", remedy="name a number by the minute: 10/minute")
    return {**none, LIMITS[limit.per]: str(limit.requests), BURST: "1"}


def read_limit(annotations: Mapping[str, str]) -> RateLimit | None:
    """Return the limit that is filed, where there are two the narrower one; what is no number above 0, nginx passes over too."""
    filed = ((per, annotations.get(name, "")) for per, name in LIMITS.items())
    found = [RateLimit(requests=int(said), per=per) for per, said in filed if re.fullmatch("[0-9]{1,9}", said) and int(said)]
    return min(found, key=lambda limit: limit.requests / limit.per.total_seconds(), default=None)


def deny_annotations(networks: tuple[Network, ...]) -> Mapping[str, str | None]:
    """Return what a deny list is filed as."""
    return {DENIED: ",".join(map(str, networks)) or None}


def read_denied(annotations: Mapping[str, str]) -> tuple[Network, ...]:
    """Return who is kept out as filed. Raises: EdgeUnavailable, for what nginx can't read either: it lets in nobody then."""
    said = annotations.get(DENIED, "")
    try:
        return collapsed(ip_network(each.strip(), strict=False) for each in said.split(",") if each.strip())
    except ValueError as error:
        raise EdgeUnavailable(what=f"the Ingress's annotation {DENIED} is no list of networks: {error}", remedy="correct it, or take it away") from None


def snippet(retry_after: timedelta) -> str:
    """Return the nginx configuration that answers everything with 503 and Retry-After."""
    return f"add_header Retry-After {retry_after.total_seconds():.0f} always; return 503;"


def read_snippet(annotations: Mapping[str, str]) -> timedelta | None:
    """Return when members are told to come back; None where no snippet is filed, or one that is not ours."""
    found = _OURS.fullmatch(annotations.get(SNIPPET, ""))
    return timedelta(seconds=int(found[1])) if found else None


def _annotations(there: Ingress) -> Mapping[str, str]:
    return metadata(there).annotations or {}


def _status(answer: httpx.Response | None) -> int | None:
    return None if answer is None else answer.status_code


def _refuses(answer: httpx.Response) -> bool:
    return answer.status_code == HTTPStatus.TOO_MANY_REQUESTS or answer.is_server_error


def _says(answer: httpx.Response, retry_after: timedelta) -> bool:
    return answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE and answer.headers.get("retry-after") == f"{retry_after.total_seconds():.0f}"


@contextmanager
def _edge() -> Iterator[None]:
    """What does not answer at the moment, and what was refused, is the edge's: by a webhook, too."""
    with for_edge():
        try:
            yield
        except NotAdmitted as problem:
            raise EdgeRejected(what=f"it was refused, and nothing was changed: {problem.what}", remedy=problem.remedy) from None
