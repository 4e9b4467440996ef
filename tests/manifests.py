"""What `kubectl apply -k` would send: the manifests, rendered, and held to the schemas that a cluster serves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from pydantic import JsonValue, TypeAdapter

ROOT = Path(__file__).parents[1]
K8S = ROOT / "k8s"
SCHEMAS = ROOT / "tests/unit/manifests/schemas.json"
OVERLAYS = tuple(sorted(folder.parent for folder in K8S.glob("**/overlays/*/kustomization.yaml")))
"""What somebody applies, each of them whole."""
_KUBECTL = Path(sys.executable).with_name("kubectl")
_OBJECTS: TypeAdapter[list[dict[str, JsonValue]]] = TypeAdapter(list[dict[str, JsonValue]])
_OBJECT: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """An object that is applied."""

    content: Mapping[str, JsonValue]

    @property
    def kind(self) -> str:
        return str(self.content["kind"])

    @property
    def type(self) -> str:
        """`apps/v1 Deployment`."""
        return f"{self.content['apiVersion']} {self.kind}"

    @property
    def name(self) -> str:
        return str(self.at("metadata", "name"))

    def at(self, *path: str | int) -> JsonValue:
        """Return what stands at `path`; None where there is nothing."""
        found: JsonValue = dict(self.content)
        for step in path:
            match found, step:
                case dict(), str():
                    found = found.get(step)
                case list(), int():
                    found = found[step] if step < len(found) else None
                case _:
                    return None
        return found

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@cache
def render(overlay: Path) -> tuple[Manifest, ...]:
    """Return the objects of an overlay, in the order in which they are applied."""
    done = subprocess.run([_KUBECTL, "kustomize", str(overlay)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return read(done.stdout)


def read(text: str) -> tuple[Manifest, ...]:
    """Return the objects of a file."""
    return tuple(Manifest(content) for content in _OBJECTS.validate_python([found for found in yaml.safe_load_all(text) if found]))


def errors(manifest: Manifest) -> Iterator[str]:
    """Give what the cluster would not take, as its schemas say; also each field that it does not know."""
    schemas = _schemas()
    schema = schemas.get(manifest.type)
    if schema is None:
        yield f"{manifest}: {SCHEMAS.name} has no {manifest.type}; with a cluster, `python -m tests.kubernetes.schemas` writes it"
        return
    for error in Draft202012Validator({"$ref": f"#/{manifest.type.replace('/', '~1')}", **schemas}).iter_errors(dict(manifest.content)):
        yield f"{manifest}: {error.json_path}: {error.message}"


@cache
def _schemas() -> Mapping[str, JsonValue]:
    return _OBJECT.validate_json(SCHEMAS.read_bytes())


def as_text(schemas: Mapping[str, JsonValue]) -> str:
    """Return the kept schemas, one a line."""
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(schema, sort_keys=True)}" for name, schema in sorted(schemas.items())) + "\n}\n"
