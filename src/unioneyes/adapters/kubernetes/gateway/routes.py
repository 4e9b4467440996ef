"""What stands in the two HTTPRoutes: pure functions from a state to their rules, and back.

Envoy Gateway makes a cluster in Envoy for each rule's backend that has a weight, and none for a weight of 0. So a weight that comes from 0 or goes to 0 makes a
cluster appear or vanish beside the routes, one after the other, and requests fail in between. Here each colour has a rule of its own that is always there, and
a shift changes only what these rules match: the clusters stay as they are, and each proxy takes the new routes whole, or not at all.

The rules have the same shape in every state; a gate that is shut matches what no request can say. Why so, with figures: docs/decisions, "traffic by routes".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import BaseModel, Field, JsonValue, ValidationError

from unioneyes.ports.traffic import Colour, Weights

Node = dict[str, JsonValue]

PREVIEW_HEADER = "x-preview"
OFF_HEADER, NEVER = "x-unioneyes-off", "$never"
"""A regular expression that nothing matches: something stands behind the end of the text."""
MARK_HEADER = "x-unioneyes-routes"
"""In answers during maintenance, and of previews: which routes gave it. The proxies show it in their configuration, so a change is confirmed by it."""
PRIVATE, MAINTENANCE, NOTHING, SPLIT = "private", "maintenance", "nothing-deployed", "split"
RULES = (PRIVATE, MAINTENANCE, NOTHING, Colour.BLUE.value, Colour.GREEN.value, SPLIT)
"""Of the members' route, in order: the first that matches decides."""
IDLE = {Colour.BLUE: "idle-blue", Colour.GREEN: "idle-green"}
PREVIEW_RULES = (Colour.BLUE.value, Colour.GREEN.value, *IDLE.values())
SERVICE_PORT = 80
_EVEN = Weights(blue=50, green=50)
"""Stands in the shut gate of the split: a weight of 0 would take its cluster away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Which change the routes come from, and when they were last written: the same routes written anew keep `change`."""

    change: str = "initial"
    written: str = "initial"

    def __str__(self) -> str:
        """Return it as it stands in a header."""
        return f"{self.change}.{self.written}"

    @classmethod
    def read(cls, text: str) -> Mark:
        """Return what `__str__` wrote."""
        change, _, written = text.partition(".")
        return cls(change=change, written=written)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Everything that the members' route decides."""

    weights: Weights
    maintenance: bool = False
    retry_after: timedelta = timedelta(seconds=60)
    """What members are told during maintenance."""
    mark: Mark = field(default=Mark(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Previews:
    """Everything that the previews' route decides."""

    idle: Colour
    """Who answers where nobody names a colour."""
    mark: Mark = field(default=Mark(), compare=False)

    @classmethod
    def beside(cls, weights: Weights) -> Previews:
        """Return the previews that belong to the members' weights: the colour that they do not use is the idle one."""
        return cls(idle=weights.live.other if weights.live else Colour.BLUE)


@dataclass(frozen=True, slots=True)
class Names:
    """What the objects of one service are called."""

    app: str = "unioneyes-web"

    @property
    def preview(self) -> str:
        """The previews' HTTPRoute."""
        return f"{self.app}-preview"

    def service(self, colour: Colour) -> str:
        """Return the Service of a colour."""
        return f"{self.app}-{colour}"

    def answer(self, rule: str) -> str:
        """Return the HTTPRouteFilter that answers in the place of `rule`'s backends."""
        return f"{self.app}-{rule}"


NAMES = Names()
"""As the document has it."""


def rules(state: Routes, names: Names) -> list[JsonValue]:
    """Return the rules of the members' route."""
    waits: list[JsonValue] = [{"name": "Retry-After", "value": f"{state.retry_after.total_seconds():.0f}"}, {"name": MARK_HEADER, "value": str(state.mark)}]
    return [
        {"name": PRIVATE, "matches": [{"path": {"type": "PathPrefix", "value": "/metrics"}}], "filters": [_answer(PRIVATE, names)]},
        {
            "name": MAINTENANCE,
            "matches": _gate(on=state.maintenance),
            "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": waits}}, _answer(MAINTENANCE, names)],
        },
        {"name": NOTHING, "matches": _gate(on=state.weights.live is None), "filters": [_answer(NOTHING, names)]},
        *({"name": each.value, "matches": _gate(on=alone(state.weights) is each), "backendRefs": [_backend(each, names)]} for each in Colour),
        {
            "name": SPLIT,
            "matches": _gate(on=state.weights.split),
            "backendRefs": [_backend(each, names, weight=(state.weights if state.weights.split else _EVEN).of(each)) for each in Colour],
        },
    ]


def preview_rules(state: Previews, names: Names) -> list[JsonValue]:
    """Return the rules of the previews' route."""
    marked: JsonValue = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": MARK_HEADER, "value": str(state.mark)}]}}
    named: list[JsonValue] = [
        {
            "name": each.value,
            "matches": [{"path": _ALL, "headers": [{"type": "Exact", "name": PREVIEW_HEADER, "value": each.value}]}],
            "filters": [marked],
            "backendRefs": [_backend(each, names)],
        }
        for each in Colour
    ]
    idle: list[JsonValue] = [
        {"name": name, "matches": _gate(on=state.idle is each), "filters": [marked], "backendRefs": [_backend(each, names)]} for each, name in IDLE.items()
    ]
    return [*named, *idle]


def alone(weights: Weights) -> Colour | None:
    """Return the colour that gets everything; None when both get something, or none does."""
    return None if weights.split else weights.live


def backend_rules(colour: Colour) -> tuple[tuple[int, int], ...]:
    """Return at which rule, and which backend in it, `colour` gets members' requests: each is a cluster of its own in Envoy."""
    return ((RULES.index(colour.value), 0), (RULES.index(SPLIT), tuple(Colour).index(colour)))


def preview_backend_rules(colour: Colour) -> tuple[tuple[int, int], ...]:
    """Return at which rule, and which backend in it, `colour` gets previews."""
    return ((PREVIEW_RULES.index(colour.value), 0), (PREVIEW_RULES.index(IDLE[colour]), 0))


class _Header(BaseModel):
    name: str
    value: str


class _Match(BaseModel):
    headers: list[_Header] = []

    @property
    def on(self) -> bool:
        """Whether it is an open gate. Raises: ValueError when it is no gate."""
        if any(header.name != OFF_HEADER or header.value != NEVER for header in self.headers):
            message = "a rule matches something else than everything or nothing"
            raise ValueError(message)
        return not self.headers


class _Set(BaseModel):
    set: list[_Header] = []


class _Filter(BaseModel):
    headers: _Set = Field(default=_Set(), alias="responseHeaderModifier")


class _Backend(BaseModel):
    name: str
    weight: int = 1


class _Rule(BaseModel):
    name: str = ""
    matches: list[_Match] = Field(default=[], min_length=1, max_length=1)
    filters: list[_Filter] = []
    backends: list[_Backend] = Field(default=[], alias="backendRefs")

    @property
    def on(self) -> bool:
        """Whether the rule decides anything now."""
        return self.matches[0].on

    @property
    def sets(self) -> dict[str, str]:
        """The headers that it sets in answers."""
        return {header.name: header.value for each in self.filters for header in each.headers.set}


class _Spec(BaseModel):
    rules: list[_Rule] = []

    def named(self, expected: tuple[str, ...]) -> dict[str, _Rule]:
        found = [rule.name for rule in self.rules]
        if found != list(expected):
            message = f"its rules are {', '.join(found) or 'none'}, not {', '.join(expected)}"
            raise ValueError(message)
        return {rule.name: rule for rule in self.rules}


def read_rules(spec: JsonValue, names: Names) -> Routes:
    """Return the state that the members' route decides. Raises: ValueError when it is none of ours."""
    named = _read(spec).named(RULES)
    for colour in Colour:
        _expect(named[colour.value], (names.service(colour),))
    _expect(named[SPLIT], tuple(names.service(colour) for colour in Colour))
    opened = [each for each in (*Colour, SPLIT, NOTHING) if named[str(each)].on]
    if len(opened) != 1:
        message = f"not one but {len(opened)} of its gates are open: {', '.join(map(str, opened)) or 'none'}"
        raise ValueError(message)
    sets = named[MAINTENANCE].sets
    split = dict(zip(Colour, (backend.weight for backend in named[SPLIT].backends), strict=True))
    match opened[0]:
        case Colour() as colour:
            weights = Weights.all_to(colour)
        case _ if named[SPLIT].on:
            weights = Weights(blue=split[Colour.BLUE], green=split[Colour.GREEN])
        case _:
            weights = Weights()
    return Routes(
        weights=weights, maintenance=named[MAINTENANCE].on, retry_after=timedelta(seconds=int(sets["Retry-After"])), mark=Mark.read(sets[MARK_HEADER])
    )


def read_preview_rules(spec: JsonValue, names: Names) -> Previews:
    """Return the state that the previews' route decides. Raises: ValueError when it is none of ours."""
    named = _read(spec).named(PREVIEW_RULES)
    for colour in Colour:
        for name in (colour.value, IDLE[colour]):
            _expect(named[name], (names.service(colour),))
    opened = [colour for colour, name in IDLE.items() if named[name].on]
    if len(opened) != 1:
        message = "not one colour is the idle one"
        raise ValueError(message)
    return Previews(idle=opened[0], mark=Mark.read(named[IDLE[Colour.BLUE]].sets[MARK_HEADER]))


def gate_patch(opened: dict[str, bool], order: tuple[str, ...]) -> list[JsonValue]:
    """Return a JSON patch (RFC 6902) that opens and shuts these rules' gates, and refuses to where the rules are others."""
    tests: list[JsonValue] = [{"op": "test", "path": f"/spec/rules/{order.index(name)}/name", "value": name} for name in opened]
    changes: list[JsonValue] = [
        {"op": "add", "path": f"/spec/rules/{order.index(name)}/matches/0/headers", "value": [] if on else [_SHUT]} for name, on in opened.items()
    ]
    return [*tests, *changes]


def shift_patch(weights: Weights) -> str:
    """Return the JSON patch of the members' route that a person would apply for `weights`."""
    opened = {NOTHING: weights.live is None, **{each.value: alone(weights) is each for each in Colour}, SPLIT: weights.split}
    at = RULES.index(SPLIT)
    shares: list[JsonValue] = [
        {"op": "replace", "path": f"/spec/rules/{at}/backendRefs/{i}/weight", "value": weights.of(each)} for i, each in enumerate(Colour)
    ]
    return json.dumps([*gate_patch(opened, RULES), *(shares if weights.split else ())])


def idle_patch(weights: Weights) -> str:
    """Return the JSON patch of the previews' route that belongs to `weights`."""
    idle = Previews.beside(weights).idle
    return json.dumps(gate_patch({name: each is idle for each, name in IDLE.items()}, PREVIEW_RULES))


def maintenance_patch(*, on: bool) -> str:
    """Return the JSON patch of the members' route that a person would apply to enter or leave maintenance."""
    return json.dumps(gate_patch({MAINTENANCE: on}, RULES))


_ALL: JsonValue = {"type": "PathPrefix", "value": "/"}
_SHUT: JsonValue = {"type": "RegularExpression", "name": OFF_HEADER, "value": NEVER}


def _gate(*, on: bool) -> JsonValue:
    return [{"path": _ALL}] if on else [{"path": _ALL, "headers": [_SHUT]}]


def _answer(rule: str, names: Names) -> JsonValue:
    return {"type": "ExtensionRef", "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": names.answer(rule)}}


def _backend(colour: Colour, names: Names, *, weight: int = 1) -> JsonValue:
    """Return the backend; its own filter makes Envoy Gateway keep a cluster of its own for it, so that each colour is counted apart."""
    headers: JsonValue = {"set": [{"name": "x-real-ip", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}], "remove": [PREVIEW_HEADER]}
    filters: JsonValue = [{"type": "RequestHeaderModifier", "requestHeaderModifier": headers}]
    return {"name": names.service(colour), "port": SERVICE_PORT, "weight": weight, "filters": filters}


def _read(spec: JsonValue) -> _Spec:
    try:
        return _Spec.model_validate(spec)
    except ValidationError as error:
        message = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False, include_input=False))
        raise ValueError(message) from None


def _expect(rule: _Rule, services: tuple[str, ...]) -> None:
    found = tuple(backend.name for backend in rule.backends)
    if found != services or not all(backend.weight for backend in rule.backends):
        message = f"the rule {rule.name} leads to {', '.join(found) or 'nothing'}, not to {', '.join(services)}"
        raise ValueError(message)
