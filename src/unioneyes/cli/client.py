"""A small client of the API: typed answers, time limits, problems as problems."""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

import httpx
from pydantic import JsonValue, TypeAdapter

from unioneyes.cli.options import Where
from unioneyes.environments import locate
from unioneyes.kernel.access import PROGRAM_NAMES
from unioneyes.kernel.problems import BadInput, NotAuthorised, Problem, ProblemDocument, ReportedProblem, Unavailable
from unioneyes.runbook.views import JournalEntry, LockView, PlanView, RunView

T = TypeVar("T")

TOKEN = "UE_TOKEN"  # noqa: S105 - the variable that holds it
"""Environment variable with a person's own token; without it the environment's own is used, by whoever can read its file."""
URL = "UE_URL"
"""Environment variable with the server's address, for whoever has a token and can't read the environment's folder: nothing of it is read then."""
_LONGEST_LOGIN = 57
"""Characters, with room for what tells it apart."""
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
        """Find the server of `where`; nothing is asked yet. Raises: UnknownEnvironment, NeverStarted, NotYours, TwoServers, NoAddress, NoToken."""
        self.url, token = _named(os.environ[URL], where) if os.environ.get(URL) else _found(where)
        self._where = where
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            headers={"Authorization": f"Bearer {token}", "UE-User": login_name()},
            timeout=httpx.Timeout(ANSWER_LIMIT.total_seconds(), connect=CONNECT_LIMIT.total_seconds()),
            trust_env=False,  # the token goes to the server, not to a proxy
        )

    def close(self) -> None:
        """Its connections are closed. A command leaves that to its end."""
        self._http.close()

    def get(self, path: str, kind: type[T], query: Query | None = None) -> Answer[T]:
        """Return what stands at `path`. Raises: ServerUnavailable, ReportedProblem."""
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        return self._read(self._http.build_request("GET", path, params=asked), kind)

    def post(self, path: str, body: Mapping[str, JsonValue], kind: type[T]) -> Answer[T]:
        """Return the answer to `body`. Never tried again by itself. Raises: ServerUnavailable, ReportedProblem."""
        return self._read(self._http.build_request("POST", path, json=dict(body)), kind)

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
            with self._http.stream("GET", path) as response:
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

    def _unavailable(self, error: httpx.TransportError) -> ServerUnavailable:
        return ServerUnavailable(
            what=f"the server at {self.url} does not answer ({type(error).__name__})",
            remedy=f"ue env status{self._where.flags}; ue env up{self._where.flags}",
        )


def _found(where: Where) -> tuple[str, str]:
    """Return the address and the token that the environment's folder names; the person's own token comes first."""
    address = locate(where.env, where.home)
    return address.url, os.environ.get(TOKEN) or address.token.get_secret_value()


def _named(url: str, where: Where) -> tuple[str, str]:
    """Return the address and the token that the person names."""
    if where.home is not None:
        raise TwoServers(what=f"{URL} names {url}, and a folder is named too", remedy=f"leave one of them out: unset {URL}, or UE_HOME and --home")
    try:
        scheme, host = httpx.URL(url).scheme, httpx.URL(url).host
    except httpx.InvalidURL:
        scheme, host = "", ""
    if scheme not in {"http", "https"} or not host:
        raise NoAddress(what=f"{URL} is {url!r}, which is no server's address", remedy=f"write it as {URL}=http://127.0.0.1:8180")
    if not os.environ.get(TOKEN):
        raise NoToken(what=f"{URL} names {url}, and {TOKEN} holds no token for it", remedy=f"ask for one (ue token create NAME --role ROLE), and set {TOKEN}")
    return url.rstrip("/"), os.environ[TOKEN]


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


class ServerUnavailable(Unavailable):
    """The server does not answer."""


class NotOurServer(Problem):
    """Something else answers where the server should."""
