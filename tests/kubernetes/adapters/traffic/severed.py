"""A way to the API server that is cut in the middle of a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from lightkube.core.resource import NamespacedResource
from pydantic import JsonValue

from tests.kubernetes.adapters.relay import Relay, relayed
from unioneyes.adapters.kubernetes.access import Access, find_access
from unioneyes.adapters.kubernetes.client import Cluster

_N = TypeVar("_N", bound=NamespacedResource)


class CutAfterWrite(Cluster):
    """A namespace of a cluster that can't be reached any more as soon as something was written."""

    relay: Relay
    cutting = True

    def apply(
        self, kind: type[_N], name: str, said: Mapping[str, JsonValue], *, seen: str | None = None, force: bool = False, within: timedelta | None = None
    ) -> _N:
        """See `Cluster`."""
        written = super().apply(kind, name, said, seen=seen, force=force, within=within)
        if self.cutting:
            self.cutting = False
            self.relay.cut()
        return written


@contextmanager
def on_a_relay(kubeconfig: Path) -> Iterator[tuple[Relay, Access]]:
    """Give a relay to the API server of a kubeconfig, and the way that leads over it."""
    access = find_access(kubeconfig=kubeconfig)
    access.context.check_hostname = False  # the certificate names the server, and not the relay
    server = urlsplit(access.server)
    with relayed(server.hostname or "", server.port or 443) as relay:
        yield relay, replace(access, server=f"https://127.0.0.1:{relay.port}")
