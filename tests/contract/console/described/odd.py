"""Requests that no generator writes: what breaks parsers, encoders and databases, at each place where a request says something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from pydantic import JsonValue
from schemathesis import APIOperation

from tests.contract.console.described.asking import examples

DEEP = 50_000
"""Brackets: more than any parser goes down."""
ODD: dict[str, JsonValue] = {
    "NUL": "a\x00b",
    "half a character": "\ud800",
    "a control character": "a\x1b[2Jb",
    "another direction": "a\u202eb",
    "nothing": "",
    "much": "x" * 100_000,
    "a path": "../../etc/passwd",
    "a quote": "';--\"",
    "too large a number": 10**400,
    "more than the database counts": 2**63,
    "less than nothing": -1,
    "no number": float("nan"),
    "a list": [[]],
    "an object": {"": {"\x00": "\ud800"}},
    "null": None,
}
"""What may stand where something else should; as JSON writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OddRequest:
    """One request, as it is sent."""

    what: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, bytes] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def url(self) -> str:
        return self.path + "".join(f"?{name}={value}" for name, value in self.query.items())

    @property
    def header_lines(self) -> list[tuple[bytes, bytes]]:
        told = {"Content-Type": b"application/json"} if self.body is not None else {}
        return [(name.encode(), value) for name, value in (told | self.headers).items()]


def odd_requests(operation: APIOperation, path_of: str) -> Iterator[OddRequest]:
    """Yield requests of the operation, each of which is odd at one place; `path_of` is its path with what there is."""
    body = next(iter(examples(operation)), None)
    sound = json.dumps(body).encode() if isinstance(body, dict) else None
    for name, value in ODD.items():
        text = str(value)
        for parameter in operation.path_parameters:
            filled = operation.path.replace("{" + parameter.name + "}", quote(text.encode(errors="surrogatepass")[:2000], safe="") or "%20")
            yield OddRequest(what=f"{name} as {parameter.name}", path=filled, body=sound)
        for parameter in operation.query:
            yield OddRequest(
                what=f"{name} as {parameter.name}", path=path_of, query={parameter.name: quote(text.encode(errors="surrogatepass")[:2000], safe="")}
            )
        if isinstance(body, dict):
            for key in body:
                yield OddRequest(what=f"{name} as {key}", path=path_of, body=json.dumps(body | {key: value}).encode())
            yield OddRequest(what=f"{name} as a key", path=path_of, body=json.dumps(body | {text: value}).encode())
    for what, raw in {
        "no JSON": b"{",
        "no text": b"\xff\xfe\x00",
        "a depth that nobody parses": b"[" * DEEP + b"]" * DEEP,
        "a depth inside": b'{"request": ' * DEEP + b"1" + b"}" * DEEP,
        "nothing": b"",
        "a list": b"[]",
        "a key twice": b'{"reason": "a", "reason": "b"}',
    }.items():
        yield OddRequest(what=f"{what} as the body", path=path_of, body=raw)
    for name, header in {
        "UE-User": b"\xff\x00"[:1],
        "Last-Event-ID": b"\xff",
        "Cookie": b"ue_session=\xff.\xff",
        "Accept": b"nothing/at-all",
        "Content-Type": b"text/plain",
    }.items():
        yield OddRequest(what=f"an odd {name}", path=path_of, headers={name: header}, body=sound)
