"""The API is what its description says: for everybody, whatever they ask, and each operation does for somebody what it is there for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import cycle, islice, product

import httpx
import pytest
import requests
from schemathesis import APIOperation, Case, GenerationMode

from tests.contract.console.described.asking import DESCRIPTION, OPERATIONS, SCHEMA, Asking, cases, examples, takes_something, tamed
from tests.contract.console.described.odd import odd_requests
from tests.contract.console.described.world import Actor, World, seeded_world
from unioneyes.console.forgery import SAFE_METHODS
from unioneyes.console.guard import PROBLEM_JSON

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

FEW, MANY = 2, 100
"""Generated requests of each kind, for each operation: beside other tests, and in a campaign."""
SOME, ALL = 7, 1
"""Each how many of the odd requests are sent, beside other tests and in a campaign."""
EVENTS = "text/event-stream"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
BEFORE = {"POST /api/v1/line/lift": World.stop_the_line}
"""What must be so for an operation to do what it is there for."""

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with seeded_world() as world:
        yield world


@pytest.fixture(scope="module")
def asking(world: World) -> Iterator[Asking]:
    with requests.Session() as session:
        session.trust_env = False
        yield Asking(world=world, session=session)


def test_every_operation_is_asked() -> None:
    SCHEMA.validate()
    assert len(OPERATIONS) == sum(len(ways) for ways in SCHEMA.raw_schema["paths"].values())


@each_operation
def test_an_operation_does_for_somebody_what_it_is_there_for(asking: Asking, operation: APIOperation) -> None:
    """By the examples of its description, about everything that there is."""
    changing = operation.method.upper() not in SAFE_METHODS
    named = asking.world.named(changing=changing)
    BEFORE.get(operation.label, lambda _: None)(asking.world)
    in_path = [parameter.name for parameter in operation.path_parameters]
    asked = [
        operation.Case(path_parameters=dict(zip(in_path, values, strict=True)), body=body)
        for values in product(*(named[name] for name in in_path))
        for body in examples(operation)
    ]
    statuses = {asking.ask(case, actor).status_code for case in asked for actor in asking.world.actors} if changing else ask_by_turns(asking, asked)
    assert any(200 <= status < 300 for status in statuses), statuses


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.campaign)])
@each_operation
def test_what_is_well_formed_is_answered_as_described(asking: Asking, operation: APIOperation, count: int) -> None:
    ask_by_turns(asking, generated(asking.world, operation, GenerationMode.POSITIVE, count))


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("operation", [each for each in OPERATIONS if takes_something(each)], ids=lambda operation: operation.label)
def test_what_is_malformed_is_refused_and_changes_nothing(asking: Asking, operation: APIOperation, count: int) -> None:
    """What a header or a query says too much is not looked at: who only adds such may be served, and what comes after that one is held to its own answer."""
    changing = operation.method.upper() not in SAFE_METHODS
    malformed = generated(asking.world, operation, GenerationMode.NEGATIVE, count)
    before = asking.world.last_change()
    for case, actor in by_turns(asking, malformed):
        status = asking.ask(case, actor).status_code
        if changing:
            after = asking.world.last_change()
            assert status < 400 or after == before, f"{actor.name} was answered {status}, and this stands in the audit log: {after}\n{case.as_curl_command()}"
            before = after
    assert asking.world.last_change() == before, "who only reads has changed something"


@pytest.mark.parametrize("every", [SOME, pytest.param(ALL, marks=pytest.mark.campaign)])
@each_operation
def test_what_no_generator_writes_is_answered_as_described_too(asking: Asking, operation: APIOperation, every: int) -> None:
    world = asking.world
    named = world.named(changing=True)
    path = operation.path.format(**{name: found[0] for name, found in named.items()})
    for odd in islice(odd_requests(operation, path), 0, None, every):
        with world.owner.stream(operation.method.upper(), odd.url, headers=odd.header_lines, content=odd.body) as answer:
            said = "a stream, without an end" if answer.headers.get("content-type", "").startswith(EVENTS) else answer.read().decode(errors="replace")
        told = f"{odd.what}: {answer.status_code} {said[:500]}"
        assert str(answer.status_code) in operation.definition.raw["responses"], told
        assert answer.status_code < 500, told
        assert answer.is_success or answer.headers["content-type"] == PROBLEM_JSON, told


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS}))
def test_a_method_that_is_not_described_is_refused_with_those_that_are(world: World, path: str) -> None:
    methods = [method for method in METHODS if any(each.path == path and each.method.upper() == method for each in OPERATIONS)]
    for method in set(METHODS) - set(methods):
        refused = world.owner.request(method, path.format(run_id="no-such-run", name="nobody", index="0", pod="no-such-pod", backup="no-such-backup"))
        assert (refused.status_code, refused.headers["allow"]) == (405, ", ".join(methods)), method


def test_the_server_tells_its_description_to_everybody(world: World) -> None:
    answer = httpx.get(f"{world.url}/api/v1/openapi.json", timeout=60, trust_env=False)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == json.loads(json.dumps(DESCRIPTION))


def generated(world: World, operation: APIOperation, mode: GenerationMode, count: int) -> list[Case]:
    """Return requests about what there is in the world, and about what is not."""
    ended = set(world.ended.values())
    asked = [tamed(case, ended) for case in cases(operation, mode, world.named(changing=False), count)]
    for case, runbook in zip(asked[::2], cycle(world.runbooks()), strict=False):
        if isinstance(case.body, dict) and isinstance(case.body.get("runbook"), str):
            case.body["runbook"] = runbook
    return asked


def ask_by_turns(asking: Asking, asked: list[Case]) -> set[int]:
    """Return how those who ask by turns were answered."""
    return {asking.ask(case, actor).status_code for case, actor in by_turns(asking, asked)}


def by_turns(asking: Asking, asked: list[Case]) -> Iterator[tuple[Case, Actor]]:
    """Give each with who asks it: somebody whom the server does not know, and some whom it does; everybody asks something."""
    strangers, known = ([actor for actor in asking.world.actors if actor.known is way] for way in (False, True))
    strange, turns = cycle(strangers), cycle(known)
    together = -(-len(known) // max(len(asked), 1))
    yield from ((case, actor) for case in asked for actor in (next(strange), *islice(turns, together)))
