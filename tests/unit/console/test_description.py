"""The API's description, as other teams read it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import JsonValue

from tests.contract.console.conftest import app_routes
from unioneyes.console.app import build_app
from unioneyes.console.control import Control
from unioneyes.console.description import DURATION, TAGS
from unioneyes.console.failures import FAILURES
from unioneyes.kernel.redaction import Redactor

Object = dict[str, JsonValue]


def description() -> Object:
    """Making it uses the host names of the server's parts alone."""
    bare = object.__new__(Control)
    object.__setattr__(bare, "hosts", frozenset())
    object.__setattr__(bare, "redactor", Redactor())
    return build_app(bare).openapi()


DOCUMENT = description()


def within(value: JsonValue) -> Iterator[Object]:
    """Yield every object of the document."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from within(each)
    elif isinstance(value, list):
        for each in value:
            yield from within(each)


def at(*names: str) -> Object:
    found: JsonValue = DOCUMENT
    for name in names:
        assert isinstance(found, dict)
        found = found[name]
    assert isinstance(found, dict)
    return found


def tags(operation: Object) -> set[str]:
    found = operation["tags"]
    assert isinstance(found, list)
    return {str(tag) for tag in found}


OPERATIONS = [(f"{method.upper()} {path}", at("paths", path, method)) for path in at("paths") for method in at("paths", path)]
GUARDED = [operation for label, operation in OPERATIONS if not label.endswith("/healthz")]


def test_every_route_below_the_api_is_described() -> None:
    own = {path for route in app_routes() if (path := route.path).startswith("/api/") and not path.endswith("openapi.json")}
    assert own == set(at("paths"))


def test_programs_call_each_operation_by_a_name_of_its_own() -> None:
    names = [str(operation["operationId"]) for _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)


@pytest.mark.parametrize(("label", "operation"), OPERATIONS, ids=lambda each: each if isinstance(each, str) else "")
def test_each_operation_says_what_it_does_and_what_it_belongs_to(label: str, operation: Object) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert tags(operation) <= {str(tag["name"]) for tag in within(DOCUMENT["tags"])}, label


def test_every_failure_is_described_once_and_meant_everywhere() -> None:
    shared = at("components", "responses")
    assert {f"#/components/responses/{name}" for name in shared} == {f"#/components/responses/{failing.name}" for failing in FAILURES.values()}
    for operation in GUARDED:
        responses = operation["responses"]
        assert isinstance(responses, dict)
        assert {status: each for status, each in responses.items() if int(status) >= 400} == {
            str(status): {"$ref": f"#/components/responses/{failing.name}"} for status, failing in FAILURES.items()
        }
    for answer in shared.values():
        assert isinstance(answer, dict)
        assert answer["content"] == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}


def test_one_comes_in_by_a_token_or_by_a_session_whose_changes_come_from_a_page() -> None:
    assert at("paths", "/api/v1/runs", "get")["security"] == [{"bearer": ["read"]}, {"session": ["read"]}]
    assert at("paths", "/api/v1/line/lift", "post")["security"] == [{"bearer": ["operate"]}, {"session": ["operate"], "page": []}]
    assert at("paths", "/api/v1/healthz", "get")["security"] == []
    assert all(operation["security"] for operation in GUARDED)
    assert set(at("components", "securitySchemes")) == {"bearer", "session", "page"}


def test_fields_are_described_by_what_stands_under_them_in_the_code() -> None:
    assert (
        at("components", "schemas", "RunView", "properties", "choices")["description"] == "What a person may decide now; empty while the run waits for nobody."
    )


def test_no_duration_is_described_as_what_it_is_not() -> None:
    assert not [each for each in within(DOCUMENT) if each.get("format") == "duration"]
    assert at("components", "schemas", "SmokeReport", "properties", "took")["pattern"] == DURATION["pattern"]


def test_every_reference_leads_somewhere() -> None:
    for each in within(DOCUMENT):
        if isinstance(reference := each.get("$ref"), str):
            assert at(*reference.removeprefix("#/").split("/"))


def test_no_tag_is_about_nothing() -> None:
    assert set(TAGS) <= {tag for _, operation in OPERATIONS for tag in tags(operation)}


@pytest.mark.parametrize(("label", "operation"), OPERATIONS, ids=lambda each: each if isinstance(each, str) else "")
def test_each_parameter_says_what_it_means(label: str, operation: Object) -> None:
    assert [each["name"] for each in within(operation.get("parameters", [])) if "in" in each and not each.get("description")] == [], label


def test_a_problem_s_fields_say_what_they_mean() -> None:
    properties = at("components", "schemas", "ProblemDocument", "properties")
    assert [name for name in properties if not at("components", "schemas", "ProblemDocument", "properties", name).get("description")] == []
