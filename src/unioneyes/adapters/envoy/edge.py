"""The edge port on Envoy: each change is one file replaced, Envoy's own word that it took it, and a real request."""

from __future__ import annotations

import http.client
import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path

from pydantic import JsonValue

from unioneyes.adapters.envoy.admin import EnvoyAdmin
from unioneyes.adapters.envoy.config import Node
from unioneyes.adapters.envoy.confirming import confirm, new_version
from unioneyes.adapters.envoy.edge_config import (
    DENY,
    LIMIT,
    deny_document,
    edge_file,
    limit_document,
    read_denied,
    read_document,
    read_limit,
    read_running,
)
from unioneyes.kernel.fencing import Fence, StillInside
from unioneyes.kernel.files import replace_file
from unioneyes.kernel.problems import Problem
from unioneyes.ports.edge import EdgeRejected, EdgeUnavailable, EdgeView, Network, RateLimit, collapsed, refuse_ours
from unioneyes.ports.traffic import RoutesRejected, TrafficUnavailable

_ANSWER_LIMIT = timedelta(seconds=5)
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyEdge:
    """The edge of an Envoy that `EnvoyTraffic` prepared. A value: threads may share it."""

    folder: Path
    """An absolute path: Envoy watches it."""
    public_port: int
    """Where members come in, on 127.0.0.1."""
    admin_socket: Path
    path: str = "/"
    """What is asked to see that a change does what it should."""
    own: tuple[Network, ...] = ()
    """Never kept out."""

    def view(self) -> EdgeView:
        """Return what the edge does now. Raises: EdgeUnavailable."""
        with _reached():
            running = self._running()
            limit, denied = read_limit(running[LIMIT]), read_denied(running[DENY])
            in_force = self._filed(LIMIT, lambda said: read_limit(said) == limit) and self._filed(DENY, lambda said: read_denied(said) == denied)
            return EdgeView(limit=limit, denied=denied, in_force=in_force)

    def limit(self, limit: RateLimit | None) -> EdgeView:
        """Each client's address may make so many requests. See the port."""
        if limit is not None:
            limit.require_countable()

        def answered() -> str:
            said = self._ask().headers.get("x-ratelimit-limit", "")
            allowed = said.partition(",")[0].strip()
            return "" if allowed == (str(limit.requests) if limit else "") else f"a real answer says that {allowed or 'any number of'} requests are allowed"

        self._change(LIMIT, partial(limit_document, limit), lambda said: read_limit(said) == limit, answered)
        return self.view()

    def describe_limit(self, limit: RateLimit | None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same: one file changed at once, and Envoy asked whether it took it."""
        return self._by_hand(LIMIT, limit_document(limit, version="by-hand"))

    def deny(self, networks: tuple[Network, ...]) -> EdgeView:
        """Requests from these networks, and from no other, are answered with 403. See the port."""
        wanted = collapsed(networks)
        self.require_others(wanted)

        def answered() -> str:
            return "we are kept out ourselves" if self._ask().status == HTTPStatus.FORBIDDEN else ""

        self._change(DENY, partial(deny_document, wanted), lambda said: read_denied(said) == wanted, answered)
        return self.view()

    def describe_deny(self, networks: tuple[Network, ...]) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return self._by_hand(DENY, deny_document(collapsed(networks), version="by-hand"))

    def require_others(self, networks: tuple[Network, ...]) -> None:
        """Return where none of these is ours. Raises: OwnNetwork."""
        refuse_ours(networks, self.own)

    @property
    def _admin(self) -> EnvoyAdmin:
        return EnvoyAdmin(socket=self.admin_socket)

    def _change(self, name: str, document: Callable[..., Node], says: Callable[[JsonValue], bool], answered: Callable[[], str]) -> None:
        """The file says what `document` returns, Envoy runs it, and a real request is answered as it should; else the file is as it was before."""
        with _reached(), self._only_writer():
            if says(self._running()[name]) and self._filed(name, says):
                self._look_again(answered)
                return
            file, version, accepted = edge_file(self.folder, name), new_version(), partial(self._admin.filter_accepted, name)
            before, refused = self._read(name), accepted().refused
            replace_file(file, json.dumps(document(version=version)))
            try:
                confirm(accepted, version, refused)
                if wrong := answered():
                    raise EdgeRejected(what=f"Envoy does it, but {wrong}", remedy="it was put back; ue env status")
            except Problem:
                replace_file(file, before)
                with suppress(Problem, ValueError):
                    confirm(accepted, read_document(before)[0], accepted().refused)
                raise

    def _look_again(self, answered: Callable[[], str]) -> None:
        """Return where a real answer says nothing else, or there is none: whoever wrote it may have been killed before looking. Raises: EdgeRejected."""
        try:
            wrong = answered()
        except EdgeRejected:
            return
        if wrong:
            raise EdgeRejected(what=f"Envoy does it already, but {wrong}", remedy="ue edge status; nothing was changed")

    def _running(self) -> dict[str, JsonValue]:
        """Return what Envoy runs. Raises: EdgeUnavailable, TrafficUnavailable."""
        try:
            running = read_running(self._admin.running_filters())
        except ValueError as error:
            raise EdgeUnavailable(what="Envoy shows its filters in a form that is not known", remedy="check which Envoy runs: ue env doctor") from error
        if not {LIMIT, DENY} <= running.keys():
            raise EdgeUnavailable(what="the Envoy that runs was started without an edge", remedy="ue env down and ue env up start it anew")
        return running

    def _filed(self, name: str, says: Callable[[JsonValue], bool]) -> bool:
        """Return whether the file says what it should; it does not where it can't be understood. Raises: EdgeUnavailable."""
        try:
            return says(read_document(self._read(name))[1])
        except ValueError:
            return False

    def _read(self, name: str) -> str:
        file = edge_file(self.folder, name)
        try:
            return file.read_text()
        except OSError as error:
            raise EdgeUnavailable(what=f"{file} can't be read: {error.strerror}", remedy="ue env down and ue env up write it anew") from error

    def _ask(self) -> http.client.HTTPResponse:
        """Return a real answer, as a member gets it. Raises: EdgeRejected: what can't be seen does not count."""
        connection = http.client.HTTPConnection(_LOOPBACK, self.public_port, timeout=_ANSWER_LIMIT.total_seconds())
        try:
            connection.request("GET", self.path, headers={"connection": "close"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EdgeRejected(
                what=f"the members' address gives no answer: {type(error).__name__}", remedy="it was put back; ue env status shows what does not run"
            ) from error
        finally:
            connection.close()
        return answer

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        try:
            with Fence(self.folder / "edge.lock").entered():
                yield
        except StillInside:
            raise EdgeUnavailable(what="another process has been changing the edge for too long", remedy="end it, then try again") from None

    def _by_hand(self, name: str, document: Node) -> tuple[str, ...]:
        sed = shlex.join(("sed", "-i", "-E", f"1s#.*#{json.dumps(document)}#", str(edge_file(self.folder, name))))
        stat = f"http://envoy/stats?filter={name}.version_text"
        return sed, shlex.join(("curl", "--silent", "--unix-socket", str(self.admin_socket), stat))


@contextmanager
def _reached() -> Iterator[None]:
    """What does not answer at the moment, and what was refused, is the edge's."""
    try:
        yield
    except RoutesRejected as problem:
        raise EdgeRejected(what=problem.what, remedy=problem.remedy) from problem
    except TrafficUnavailable as problem:
        raise EdgeUnavailable(what=problem.what, remedy=problem.remedy) from problem
    except ValueError as error:
        raise EdgeUnavailable(what="Envoy runs filters that this program did not write", remedy="ue env down and ue env up start it with the files") from error
