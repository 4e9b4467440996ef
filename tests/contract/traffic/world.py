"""What the traffic's tests stand on, whichever world it is: a data plane in front of two blue replicas and a green one, all of them stand-ins."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tests.contract.processes.conftest import PATIENCE
from unioneyes.ports.traffic import Colour, Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def version(self) -> str:
        """Who answered."""
        return str(json.loads(self.body)["version"])

    @property
    def saw(self) -> Mapping[str, str]:
        """The headers that the service saw."""
        headers = json.loads(self.body)["headers"]
        assert isinstance(headers, dict)
        return headers


@dataclass(frozen=True, slots=True)
class Door:
    """Where requests come in."""

    host: str
    port: int

    def get(self, path: str = "/", *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """Ask once, on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE.total_seconds())
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Answer(status=answer.status, headers={name.lower(): value for name, value in answer.getheaders()}, body=answer.read().decode())
        finally:
            connection.close()


class World(Protocol):
    """A world in which traffic is led."""

    @property
    def traffic(self) -> Traffic:
        """What leads it."""

    @property
    def members(self) -> Door:
        """Where members come in."""

    @property
    def preview(self) -> Door:
        """Where a colour is tried."""

    def get(self, path: str = "/", *, preview: bool = False, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """Ask once."""

    def remove(self, colour: Colour) -> None:
        """The colour has no replica any more; the next test has them again."""

    def type(self, command: str) -> None:
        """A person types the command, as it was described."""
