"""Keep what the manifests are held to offline: `python -m tests.kubernetes.schemas`, with the test cluster up, writes tests/unit/manifests/schemas.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue, TypeAdapter

from tests.kubernetes.cluster.kubectl import Kubectl
from tests.kubernetes.cluster.running import running
from tests.manifests import OVERLAYS, SCHEMAS, as_text, render

_OBJECT: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])
_FREE = {"gateway.envoyproxy.io/v1alpha1 EnvoyProxy": ("spec", "provider")}
"""What is not looked into: whole pods, of which the manifests say nothing."""
_PREFIX = "#/components/schemas/"
_KNOWN = frozenset({"type", "items", "required", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"})
"""What is taken over as it is; nothing that only describes."""
_NESTED = ("oneOf", "anyOf", "allOf")


def schemas(kubectl: Kubectl, types: Iterable[str]) -> Mapping[str, JsonValue]:
    """Return the schema of each of `types` (`apps/v1 Deployment`), with all that it refers to, as the cluster serves it; unknown fields are errors."""
    kept = dict[str, JsonValue]()
    for version in sorted({wanted.partition(" ")[0] for wanted in types}):
        address = f"/openapi/v3/{'apis' if '/' in version else 'api'}/{version}"
        served = _mapping(_mapping(_OBJECT.validate_json(kubectl("get", "--raw", address))["components"])["schemas"])
        wanted = {f"{version} {kind}": name for name, schema in served.items() if (kind := _kind(schema, version)) and f"{version} {kind}" in types}
        kept |= {title: {"$ref": f"#/{name}"} for title, name in wanted.items()}
        _keep(served, wanted.values(), kept)
    for title, path in _FREE.items():
        if title in kept:
            _free(kept, title, path)
    return kept


def _kind(schema: JsonValue, version: str) -> str | None:
    """Return the kind that the schema is of in this version of its group."""
    group, _, number = version.rpartition("/")
    kinds = _mapping(schema).get("x-kubernetes-group-version-kind")
    named = (_mapping(kind) for kind in kinds) if isinstance(kinds, list) else ()
    return next((str(kind["kind"]) for kind in named if (kind["group"], kind["version"]) == (group, number)), None)


def _keep(served: Mapping[str, JsonValue], names: Iterable[str], kept: dict[str, JsonValue]) -> None:
    """What the definitions `names` refer to is kept, and they are."""
    for name in names:
        if name not in kept:
            referred = set[str]()
            kept[name] = _strict(_mapping(served[name]), referred)
            _keep(served, sorted(referred), kept)


def _strict(schema: Mapping[str, JsonValue], referred: set[str]) -> dict[str, JsonValue]:
    """Return the schema without what only describes, closed to fields that it does not know; the names that it refers to are added to `referred`."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(_PREFIX)
        referred.add(name)
        return {"$ref": f"#/{name}"}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    strict: dict[str, JsonValue] = {word: value for word, value in schema.items() if word in _KNOWN}
    if isinstance(strict.get("items"), dict):
        strict["items"] = _strict(_mapping(strict["items"]), referred)
    for word in _NESTED:
        if isinstance(nested := schema.get(word), list):
            strict[word] = [_strict(_mapping(each), referred) for each in nested]
    properties = schema.get("properties")
    if isinstance(properties, dict):
        strict["properties"] = {name: _strict(_mapping(each), referred) for name, each in properties.items()}
    match schema.get("additionalProperties"):
        case dict() as each:
            strict["additionalProperties"] = _strict(each, referred)
        case None if isinstance(properties, dict) and "type" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict["additionalProperties"] = False
    return strict


def _free(kept: dict[str, JsonValue], title: str, path: tuple[str, ...]) -> None:
    """What stands at `path` of this type may be anything."""
    at = _mapping(kept[str(_mapping(kept[title])["$ref"]).removeprefix("#/")])
    for step in path[:-1]:
        at = _mapping(_mapping(at["properties"])[step])
    _mapping(at["properties"])[path[-1]] = {}


def _mapping(value: JsonValue) -> dict[str, JsonValue]:
    assert isinstance(value, dict)
    return value


def main() -> None:
    cluster = running("test")
    assert cluster, "make kubernetes-up"
    SCHEMAS.write_text(as_text(schemas(cluster.kubectl, {manifest.type for overlay in OVERLAYS for manifest in render(overlay)})))


if __name__ == "__main__":
    main()
