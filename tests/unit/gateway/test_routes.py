from __future__ import annotations

import copy
import json
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from unioneyes.adapters.kubernetes.gateway.routes import (
    NAMES,
    Mark,
    Previews,
    Routes,
    idle_patch,
    maintenance_patch,
    preview_rules,
    read_preview_rules,
    read_rules,
    rules,
    shift_patch,
)
from unioneyes.ports.traffic import Colour, Weights

MANIFESTS = Path(__file__).parents[3] / "k8s" / "components" / "envoy-gateway"
BLUE = Weights.all_to(Colour.BLUE)
MARKS = st.builds(Mark, change=st.from_regex("[0-9a-f]{1,16}", fullmatch=True), written=st.from_regex("[0-9a-f]{1,16}", fullmatch=True))
WEIGHTS = st.one_of(
    st.just(Weights()),
    st.builds(Weights.all_to, st.sampled_from(Colour)),
    st.builds(Weights.part_to, st.sampled_from(Colour), st.integers(1, 99)),
)
ROUTES = st.builds(
    Routes, weights=WEIGHTS, maintenance=st.booleans(), retry_after=st.integers(0, 86_400).map(lambda seconds: timedelta(seconds=seconds)), mark=MARKS
)


def spec(state: Routes) -> dict[str, JsonValue]:
    return {"rules": rules(state, NAMES)}


@given(ROUTES)
def test_what_is_written_is_read_again(state: Routes) -> None:
    read = read_rules(spec(state), NAMES)
    assert (read, read.mark) == (state, state.mark)


@given(st.sampled_from(Colour), MARKS)
def test_what_is_written_of_previews_is_read_again(idle: Colour, mark: Mark) -> None:
    read = read_preview_rules({"rules": preview_rules(Previews(idle=idle, mark=mark), NAMES)}, NAMES)
    assert (read.idle, read.mark) == (idle, mark)


@given(ROUTES, ROUTES)
def test_in_every_state_the_same_backends_stand_in_the_same_rules_with_weights_so_that_no_cluster_comes_or_goes(one: Routes, other: Routes) -> None:
    assert backends(spec(one)) == backends(spec(other))
    assert all(weight for *_, weight in weighed(spec(one)))


@given(ROUTES, WEIGHTS)
def test_the_patch_that_a_person_applies_makes_the_same_state(before: Routes, weights: Weights) -> None:
    shifted = patched(spec(before), shift_patch(weights))
    assert read_rules(shifted, NAMES) == Routes(weights=weights, maintenance=before.maintenance, retry_after=before.retry_after)
    kept = patched(shifted, maintenance_patch(on=True))
    assert read_rules(kept, NAMES) == Routes(weights=weights, maintenance=True, retry_after=before.retry_after)
    previews = patched({"rules": preview_rules(Previews(idle=Colour.GREEN), NAMES)}, idle_patch(weights))
    assert read_preview_rules(previews, NAMES) == Previews.beside(weights)


def test_the_manifests_begin_with_nothing_deployed() -> None:
    filed = {name: yaml.safe_load((MANIFESTS / f"{name}.yaml").read_text())["spec"] for name in ("routes", "preview")}
    assert filed["routes"]["rules"] == rules(Routes(weights=Weights()), NAMES)
    assert filed["preview"]["rules"] == preview_rules(Previews.beside(Weights()), NAMES)


def test_every_answer_that_a_rule_names_is_in_the_manifests() -> None:
    made = {each["metadata"]["name"] for each in yaml.safe_load_all((MANIFESTS / "answers.yaml").read_text())}
    text = json.dumps(rules(Routes(weights=Weights()), NAMES))
    assert {NAMES.answer(rule) for rule in ("private", "maintenance", "nothing-deployed")} == made
    assert all(name in text for name in made)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("rules", 3, "backendRefs", 0, "name"), "another"),
        (("rules", 3, "backendRefs", 0, "weight"), 0),
        (("rules", 3, "name"), "azure"),
        (("rules", 3, "matches", 0, "headers"), [{"type": "Exact", "name": "x-beta", "value": "yes"}]),
        (("rules", 4, "matches"), [{"path": {"type": "PathPrefix", "value": "/"}}]),
        (("rules",), []),
    ],
    ids=["another backend", "a weight of 0", "another name", "another match", "two open gates", "no rules"],
)
def test_what_somebody_made_of_it_by_hand_is_none_of_ours(path: tuple[str | int, ...], value: JsonValue) -> None:
    changed = spec(Routes(weights=BLUE))
    _put(changed, path, value)
    with pytest.raises(ValueError, match=r"rule|gates|leads"):
        read_rules(changed, NAMES)


def backends(of: dict[str, JsonValue]) -> list[tuple[object, ...]]:
    return [each[:-1] for each in weighed(of)]


def weighed(of: dict[str, JsonValue]) -> list[tuple[object, ...]]:
    listed = of["rules"]
    assert isinstance(listed, list)
    found: list[tuple[object, ...]] = []
    for rule in listed:
        assert isinstance(rule, dict)
        named = rule.get("backendRefs", [])
        assert isinstance(named, list)
        for backend in named:
            assert isinstance(backend, dict)
            found.append((rule["name"], backend["name"], backend["port"], json.dumps(backend["filters"]), backend["weight"]))
    return found


def patched(of: dict[str, JsonValue], patch: str) -> dict[str, JsonValue]:
    """Return it with the JSON patch applied, as far as ours go. Source: RFC 6902."""
    document: dict[str, JsonValue] = {"spec": copy.deepcopy(of)}
    for operation in json.loads(patch):
        path = tuple(int(part) if part.isdigit() else part for part in operation["path"].strip("/").split("/"))
        if operation["op"] == "test":
            assert _get(document, path) == operation["value"]
        else:
            _put(document, path, operation["value"])
    changed = document["spec"]
    assert isinstance(changed, dict)
    return changed


def _get(of: JsonValue, path: tuple[str | int, ...]) -> JsonValue:
    for part in path:
        match of, part:
            case dict(), str():
                of = of[part]
            case list(), int():
                of = of[part]
            case _:
                raise KeyError(part)
    return of


def _put(of: JsonValue, path: tuple[str | int, ...], value: JsonValue) -> None:
    match _get(of, path[:-1]), path[-1]:
        case dict() as fields, str(name):
            fields[name] = value
        case list() as items, int(index):
            items[index] = value
