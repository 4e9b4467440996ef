"""Requests as the API's description allows and forbids them, and what any answer must keep to."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from pydantic import JsonValue
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET, NotSet
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from tests.contract.console.described.world import Actor, World
from unioneyes.console.app import build_app
from unioneyes.console.control import Control
from unioneyes.kernel.redaction import Redactor

CONFIG = schemathesis.Config.from_dict(
    {
        "max-stream-events": 1,
        "request-timeout": 30,
        "generation": {"with-security-parameters": False},
    }
)
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
KEPT_OUT = {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}
UNREAD = {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
"""A body is read before anybody is asked who they are: what is no JSON is told as such."""
SHORTEST_WAIT = 0.01
CLOSED = "127.0.0.1:9"


def description() -> dict[str, JsonValue]:
    """Return the API's description. Making it uses the host names of the server's parts alone."""
    bare = object.__new__(Control)
    object.__setattr__(bare, "hosts", frozenset())
    object.__setattr__(bare, "redactor", Redactor())
    return build_app(bare).openapi()


DESCRIPTION = description()
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION, config=CONFIG)
OPERATIONS: list[APIOperation] = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]


def is_open(operation: APIOperation) -> bool:
    """Return whether the operation asks nobody who they are."""
    return not operation.definition.raw["security"]


def rights(operation: APIOperation) -> set[str]:
    """Return what the operation asks of whoever asks for it, as far as the description says so."""
    return {right for way in operation.definition.raw["security"] for asked in way.values() for right in asked}


def takes_something(operation: APIOperation) -> bool:
    """Return whether there is anything that could be wrong with a request."""
    return bool(operation.path_parameters or operation.query or operation.headers or operation.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Asks the server, and holds its answers to the description."""

    world: World
    session: requests.Session

    def ask(self, case: Case, actor: Actor) -> Response:
        """Return the answer, which is one that the description names, of the form that it says, and the right one for whom nobody knows."""
        try:
            response = case.call(base_url=self.world.url, session=self.session, headers=dict(actor.headers))
            case.validate_response(response, checks=CHECKS)
            if not is_open(case.operation):
                kept_out, unread = response.status_code in KEPT_OUT, response.status_code in UNREAD
                assert kept_out <= (not actor.known) <= (kept_out or unread), f"{response.status_code}"
                forbidden = actor.known and not actor.may(rights(case.operation))
                assert forbidden <= (unread or response.status_code == HTTPStatus.FORBIDDEN), f"{response.status_code}"
        except (Exception, FailureGroup) as error:
            error.add_note(f"asked by {actor.name}; the server's log ends with:\n{self.world.log()}")
            raise
        return response


def cases(operation: APIOperation, mode: GenerationMode, named: dict[str, list[JsonValue]], count: int) -> list[Case]:
    """Return requests, well formed or not, about what there is and about what there is not; the same ones each time."""
    in_path = {parameter.name: st.sampled_from(named[parameter.name]) for parameter in operation.path_parameters if parameter.name in named}
    anything = operation.as_strategy(generation_mode=mode)
    if in_path and (mode is GenerationMode.POSITIVE or operation.query or operation.headers or operation.body):
        known = st.fixed_dictionaries(in_path).flatmap(lambda path: operation.as_strategy(generation_mode=mode, path_parameters=path))
        anything = st.one_of(known, known, anything)
    found: list[Case] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None)
    @given(anything)
    def collect(case: Case) -> None:
        found.append(case)

    with suppress(Unsatisfiable):  # nothing can be wrong with any text in a path
        collect()
    return found


def tamed(case: Case, ended: set[str]) -> Case:
    """Return the request without what would only take long, or leave this machine."""
    query, headers, body = case.query, case.headers, case.body
    if query and isinstance(query.get("wait"), int | float):
        query["wait"] = min(query["wait"], SHORTEST_WAIT)  # for lines that don't come
    if headers and str(headers.get("last-event-id", "")).isdecimal() and (case.path_parameters or {}).get("run_id") not in ended:
        headers["last-event-id"] = "0"  # the same
    if isinstance(body, dict) and isinstance(url := body.get("url"), str):
        body["url"] = local(url)
    return case


def local(url: str) -> str:
    """Return an address where nothing of anybody else answers, as odd as it was."""
    try:
        host = urlsplit(url).netloc
        return url.replace(host, CLOSED, 1) if host else url
    except ValueError:
        return url


def examples(operation: APIOperation) -> list[JsonValue | NotSet]:
    """Return the bodies that the description gives as examples; one without a body for an operation that takes none."""
    body = operation.definition.raw.get("requestBody")
    if body is None:
        return [NOT_SET]
    schema = body["content"]["application/json"]["schema"]
    found: list[JsonValue | NotSet] = SCHEMA.raw_schema["components"]["schemas"][schema["$ref"].rpartition("/")[2]].get("examples", [])
    return found
