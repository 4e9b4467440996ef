"""The session token that the probes show, by reference: whoever keeps it may renew it."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Lock

from pydantic import SecretStr

from unioneyes.environments.secrets import resolve_at
from unioneyes.kernel.problems import Unavailable
from unioneyes.ports.secrets import SecretReference, SecretUnresolved

READ_ANEW_AFTER = timedelta(minutes=1)
"""A token that was renewed is shown within that time."""


class ProbeToken:
    """A source of session tokens. Safe to share between threads."""

    def __init__(self, reference: SecretReference) -> None:
        """Read what `[service] probe_token` refers to; nobody is asked yet."""
        self._reference = reference
        self._lock = Lock()
        self._read: tuple[SecretStr, float] | None = None

    def __call__(self) -> SecretStr:
        """Return the token as it was a minute ago at most. Raises: ProbeTokenUnavailable."""
        with self._lock:
            moment = time.monotonic()
            if self._read is None or moment - self._read[1] >= READ_ANEW_AFTER.total_seconds():
                try:
                    self._read = (resolve_at("service.probe_token", self._reference), moment)
                except SecretUnresolved as problem:
                    raise ProbeTokenUnavailable(what=problem.what, remedy=problem.remedy) from None
            return self._read[0]


class ProbeTokenUnavailable(Unavailable):
    """Whoever keeps the probes' token does not give it: they show none then."""
