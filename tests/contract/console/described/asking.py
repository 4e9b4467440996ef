"""Requests as the API's description allows and forbids them, and what any answer must keep to."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import strategies as st
from pydantic import JsonValue
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis.specs.openapi import checks
from schemathesis.checks import not_a_server_error

from tests.contract.console.described.world import Actor, World
from unioneyes.console.app import build_app
from unioneyes.console.control import Control
from unioneyes.kernel.access import Role

CONFIG = schemathesis.Config.from_dict({
    "max-stream-events": 1,
    "request-timeout": 30,
    "generation": {"with-security-parameters": False},
})
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
SHORTEST_WAIT = 0.01
CLOSED = "127.0.0.1:9"


def description() -> dict[str, JsonValue]:
    """Return the API's description. Making it uses the host names of the server's parts alone."""
    bare = object.__new__(Control)
    object.__setattr__(bare, "hosts", frozenset())
    return build_app(bare).openapi()


DESCRIPTION = description()
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION, config=CONFIG)
OPERATIONS: list[APIOperation] = [found.ok() for found in SCHEMA.get_all_operations()]


def is_open(operation: APIOperation) -> bool:
    """Return whether the operation asks nobody who they are."""
    return operation.definition.raw["security"] == []


def takes_something(operation: APIOperation) -> bool:
    """Return whether there is anything that could be wrong with a request."""
    return bool(operation.path_parameters or operation.query or operation.headers or operation.body)


def ask(case: Case, actor: Actor, world: World, session: requests.Session) -> Response:
    """Return the server's answer, which is one that the description names, of the form that it says."""
    response = case.call(base_url=world.url, session=session, headers=dict(actor.headers))
    refused = {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}
    try:
        case.validate_response(response, checks=CHECKS)
        if not is_open(case.operation):
            assert (response.status_code in refused) == (not actor.known), f"{actor.name} is answered {response.status_code}"
    except Exception as error:
        error.add_note(f"asked by {actor.name}; the server's log ends with:\n{world.log()}")
        raise
    return response


def cases(operation: APIOperation, mode: GenerationMode, named: dict[str, list[JsonValue]], ended: set[str]) -> st.SearchStrategy[Case]:
    """Return requests, well formed or not, about what there is and about what there is not."""
    in_path = {parameter.name: st.sampled_from(named[parameter.name]) for parameter in operation.path_parameters if parameter.name in named}
    if mode is GenerationMode.NEGATIVE and not (operation.query or operation.headers or operation.body):
        in_path = {}  # nothing else can be wrong
    known = st.fixed_dictionaries(in_path).flatmap(lambda path: operation.as_strategy(generation_mode=mode, path_parameters=path or None))
    return st.one_of(known, known, operation.as_strategy(generation_mode=mode)).map(lambda case: tamed(case, ended))


def tamed(case: Case, ended: set[str]) -> Case:
    """Return the request without what would only take long, or leave this machine."""
    query, headers, body = case.query, case.headers, case.body
    if query and isinstance(query.get("wait"), int | float):
        query["wait"] = min(query["wait"], SHORTEST_WAIT)  # for lines that don't come
    if headers and "last-event-id" in headers and (case.path_parameters or {}).get("run_id") not in ended:
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


def examples(operation: APIOperation) -> list[JsonValue]:
    """Return the bodies that the description gives as examples; one without a body for an operation that takes none."""
    body = operation.definition.raw.get("requestBody")
    if body is None:
        return [None]
    schema = body["content"]["application/json"]["schema"]
    return list(DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]].get("examples", []))
