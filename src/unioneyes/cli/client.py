"""A small client of the API: typed answers, time limits, problems as problems."""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Generic, TypeVar

import httpx
from pydantic import JsonValue, SecretStr, TypeAdapter

from unioneyes.cli.options import Where
from unioneyes.environments import locate
from unioneyes.environments.connecting import connected, is_distrusted
from unioneyes.environments.listening import SOCKET_SCHEME, ControlAddress
from unioneyes.kernel.access import PROGRAM_NAMES
from unioneyes.kernel.problems import BadInput, NotAuthorised, Problem, ProblemDocument, ReportedProblem, Unavailable
from unioneyes.runbook.views import JournalEntry, LockView, PlanView, RunView

T = TypeVar("T")

TOKEN = "UE_TOKEN"  # noqa: S105 - the variable that holds it
"""Environment variable with a person's own token; without it the environment's own is used, by whoever can read its file."""
URL = "UE_URL"
"""Environment variable with the server's address, for whoever has a token and can't read the environment's folder: nothing of it is read then."""
AUTHORITIES = "UE_CA_FILE"
"""Environment variable with a PEM file: who vouches for that server's certificate, where it is not one whom this machine trusts."""
_LOOPBACK = re.compile(r"127(\.\d{1,3}){3}|::1|localhost")
_LONGEST_LOGIN = 57
"""Characters, with room for what tells it apart."""
_API = "/api/v1/"
CONNECT_LIMIT = timedelta(seconds=3)
ANSWER_LIMIT = timedelta(seconds=120)
"""Planning looks at everything, and smoke tests take their minute."""

Query = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What the API answered: as it came, and as a value."""

    document: JsonValue
    value: T


class Api:
    """The API of one environment's server."""

    def __init__(self, where: Where) -> None:
        """Find the server of `where`; nothing is asked yet.

        Raises: UnknownEnvironment, NeverStarted, NotYours, SettingsRefused, TwoServers, NoAddress, NoToken, NoAuthorities.
        """
        address = _named(os.environ[URL], where) if os.environ.get(URL) else _found(where)
        self.url = address.url
        self._where = where
        timeout = httpx.Timeout(ANSWER_LIMIT.total_seconds(), connect=CONNECT_LIMIT.total_seconds())
        self._http = connected(address, timeout=timeout, headers={"UE-User": login_name()})

    def close(self) -> None:
        """Its connections are closed. A command leaves that to its end."""
        self._http.close()

    def get(self, path: str, kind: type[T], query: Query | None = None) -> Answer[T]:
        """Return what stands at `path`. Raises: ServerUnavailable, ReportedProblem."""
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        return self._read(self._http.build_request("GET", f"{_API}{path}", params=asked), kind)

    def post(self, path: str, body: Mapping[str, JsonValue], kind: type[T]) -> Answer[T]:
        """Return the answer to `body`. Never tried again by itself. Raises: ServerUnavailable, ReportedProblem."""
        return self._read(self._http.build_request("POST", f"{_API}{path}", json=dict(body)), kind)

    def plan(self, runbook: str, request: JsonValue) -> Answer[PlanView]:
        """Return what a run would do. Raises: the plan's own problems."""
        return self.post("runs", {"runbook": runbook, "request": request, "dry_run": True}, PlanView)

    def start(self, runbook: str, request: JsonValue, *, park: bool = False, confirm: str | None = None) -> Answer[RunView]:
        """A run is under way. Raises: the plan's own problems, NotConfirmed, ServiceLocked."""
        return self.post("runs", {"runbook": runbook, "request": request, "park": park, "confirm": confirm}, RunView)

    def lock(self) -> LockView | None:
        """Return who holds the service; None when nobody does."""
        held: TypeAdapter[LockView | None] = TypeAdapter(LockView | None)
        return held.validate_python(self.get("lock", object).document)

    def run(self, run_id: str) -> Answer[RunView]:
        """Return a run. Raises: UnknownRun."""
        return self.get(f"runs/{run_id}", RunView)

    def journal(self, run_id: str, *, after: int = 0, wait: timedelta = timedelta(0)) -> Answer[tuple[JournalEntry, ...]]:
        """Return the journal after a line; waits for one when there is none yet."""
        return self.get(f"runs/{run_id}/journal", tuple[JournalEntry, ...], {"after": after, "wait": wait.total_seconds()})

    def whole_journal(self, run_id: str) -> tuple[JournalEntry, ...]:
        """Return every line that there is now."""
        lines: list[JournalEntry] = []
        while page := self.journal(run_id, after=lines[-1].seq if lines else 0).value:
            lines += page
        return tuple(lines)

    @contextmanager
    def lines(self, path: str) -> Iterator[Iterator[str]]:
        """Give the lines that stand at `path`, each with its end, as they come. Raises, then too: ServerUnavailable, ReportedProblem."""
        try:
            with self._http.stream("GET", f"{_API}{path}") as response:
                if response.is_error:
                    response.read()
                    raise _problem(response)
                yield (f"{line}\n" for line in response.iter_lines())
        except httpx.TransportError as error:
            raise self._unavailable(error) from None

    def _read(self, request: httpx.Request, kind: type[T]) -> Answer[T]:
        try:
            response = self._http.send(request)
        except httpx.TransportError as error:
            raise self._unavailable(error) from None
        if response.is_error:
            raise _problem(response)
        return Answer(_document(response), TypeAdapter(kind).validate_json(response.content))

    def _unavailable(self, error: httpx.TransportError) -> Problem:
        if is_distrusted(error):
            return DistrustedServer(
                what=f"the certificate of {self.url} is not one to trust ({str(error).rpartition(': ')[2].partition(' (_ssl')[0]})",
                remedy=f"ask who runs the server: its certificate may have ended; {AUTHORITIES}=FILE names the authority that vouches for it",
            )
        return ServerUnavailable(
            what=f"the server at {self.url} does not answer ({type(error).__name__})",
            remedy=f"ue env status{self._where.flags}; ue env up{self._where.flags}",
        )


def _found(where: Where) -> ControlAddress:
    """Return the address and the token that the environment's folder names; the person's own token comes first."""
    address = locate(where.env, where.home)
    return replace(address, token=SecretStr(os.environ.get(TOKEN) or address.token.get_secret_value()))


def _named(url: str, where: Where) -> ControlAddress:
    """Return the address and the token that the person names."""
    if where.home is not None:
        raise TwoServers(what=f"{URL} names {url}, and a folder is named too", remedy=f"leave one of them out: unset {URL}, or UE_HOME and --home")
    try:
        scheme, host, path = httpx.URL(url).scheme, httpx.URL(url).host, httpx.URL(url).path
    except httpx.InvalidURL:
        scheme, host, path = "", "", ""
    if not (scheme in {"http", "https"} and host) and not (scheme == "http+unix" and not host and path.strip("/")):
        raise NoAddress(
            what=f"{URL} is {url!r}, which is no server's address",
            remedy=f"write it as {URL}=http://127.0.0.1:8180, {URL}=https://NAME:8180 or {URL}={SOCKET_SCHEME}/PATH",
        )
    if scheme == "http" and not _LOOPBACK.fullmatch(host):
        raise ClearText(what=f"{URL} is {url!r}: the token would go to {host} in clear text", remedy=f"write it as {URL}=https://{host}, or come by a tunnel")
    if not os.environ.get(TOKEN):
        raise NoToken(what=f"{URL} names {url}, and {TOKEN} holds no token for it", remedy=f"ask for one (ue token create NAME --role ROLE), and set {TOKEN}")
    authorities = os.environ.get(AUTHORITIES)
    named = f"{SOCKET_SCHEME}{path}" if scheme == "http+unix" else url.rstrip("/")
    return ControlAddress(url=named, token=SecretStr(os.environ[TOKEN]), authorities=Path(authorities) if authorities else None)


def _document(response: httpx.Response) -> JsonValue:
    document: JsonValue = json.loads(response.content)
    return document


def _problem(response: httpx.Response) -> Problem:
    """Return the problem that the server tells, or that its answer is."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        return ReportedProblem.read(TypeAdapter(ProblemDocument).validate_json(response.content))
    return NotOurServer(what=f"{response.url.host}:{response.url.port} answered {response.status_code}, and not as our server does", remedy="ue env doctor")


def login_name() -> str:
    """Return the login name, as what the journal shows; the server takes it from whoever holds the environment's own token, in this form."""
    try:
        login = getpass.getuser().lower()
    except (KeyError, OSError):
        return "unknown"
    name = re.sub(r"[^a-z0-9._@-]+", "-", login).lstrip("._@-")[:_LONGEST_LOGIN] or "unknown"
    return f"login-{name}" if name in PROGRAM_NAMES or name.startswith("worker-") else name


class TwoServers(BadInput):
    """A command is for one server."""


class NoAddress(BadInput):
    """What was named is no address."""


class NoToken(NotAuthorised):
    """Nothing says who asks."""


class ClearText(BadInput):
    """A token is not sent where others may read it."""


class DistrustedServer(Problem):
    """Nobody vouches for the server that answers; no token was sent to it."""


class ServerUnavailable(Unavailable):
    """The server does not answer."""


class NotOurServer(Problem):
    """Something else answers where the server should."""
