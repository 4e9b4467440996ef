"""The API is what its description says: for everybody, whatever they ask, and each operation does for somebody what it is there for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, GenerationMode

from tests.contract.console.described.asking import OPERATIONS, ask, cases, examples, takes_something
from tests.contract.console.described.world import World, seeded_world

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with seeded_world() as world:
        yield world


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_each_operation_does_what_it_is_there_for(world: World, session: requests.Session, operation: APIOperation) -> None:
    answered = set()
    named = world.named()
    wanted = [parameter.name for parameter in operation.path_parameters]
    for values in product(*(named[name] for name in wanted)):
        for body in examples(operation):
            for actor in world.actors:
                case = operation.Case(path_parameters=dict(zip(wanted, values, strict=True)), **({} if body is None else {"body": body}))
                answered.add(ask(case, actor, world, session).status_code)
    assert any(200 <= status < 300 for status in answered), answered


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_whatever_is_asked_is_answered_as_described(world: World, session: requests.Session, operation: APIOperation) -> None:
    named, ended = world.named(), set(world.ended.values())

    @settings(max_examples=10, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.data())
    def answered(data: st.DataObject) -> None:
        modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE] if takes_something(operation) else [GenerationMode.POSITIVE]
        case = data.draw(cases(operation, data.draw(st.sampled_from(modes)), named, ended))
        for actor in world.actors:
            ask(case, actor, world, session)

    answered()
