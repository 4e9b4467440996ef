"""How often somebody may ask, and how often a wrong token may be tried: counted in this process, by a clock that nobody sets."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import ClassVar, Self

from unioneyes.kernel.problems import ExitCode, Problem

API_REQUESTS = 6_000
"""Of one token, in a minute. An open page of the console asks 210 times, `ue run watch` at most some 120 times."""
WRONG_TOKENS = 10
"""From one client, and of one token, in a minute."""
SIGN_INS = 60
"""Begun or ended by one client, by the identity provider, in a minute: each may wait for the provider, before anybody knows who asks."""
_MINUTE = timedelta(minutes=1)
_MOST_KEYS = 10_000
"""Clients or tokens that are counted at a time, so that nobody fills the memory by being many."""
_IPV6_NETWORK = 64
"""Bits of an IPv6 address that whoever has the network does not choose."""


@dataclass(slots=True, kw_only=True)
class RateLimit:
    """At most `count` at once for each key, and one more after each `per / count`: the generic cell rate algorithm, which keeps one number for each key.

    Source: ITU-T I.371, annex A; also known as a leaky bucket used as a meter.
    """

    count: int
    per: timedelta = _MINUTE
    clock: Callable[[], float] = time.monotonic
    _free_at: dict[str, float] = field(default_factory=dict)
    """Key -> when its whole allowance will be free again, in the clock's seconds; whoever asked longest ago stands first."""
    _lock: Lock = field(default_factory=Lock)

    def wait(self, key: str) -> timedelta:
        """Return how long until the next one is allowed, nothing when it is now. Counts none."""
        with self._lock:
            return self._wait(key, self.clock())

    def take(self, key: str) -> timedelta:
        """Return nothing, and count one; or how long until one is allowed, and count none."""
        with self._lock:
            moment = self.clock()
            if wait := self._wait(key, moment):
                return wait
            self._free_at[key] = max(self._free_at.pop(key, moment), moment) + self._each
            self._forget(moment)
            return wait

    @property
    def _each(self) -> float:
        return self.per.total_seconds() / self.count

    def _wait(self, key: str, moment: float) -> timedelta:
        taken = max(self._free_at.get(key, moment) - moment, 0.0)
        return timedelta(seconds=max(taken + self._each - self.per.total_seconds(), 0.0))

    def _forget(self, moment: float) -> None:
        if len(self._free_at) > _MOST_KEYS:
            self._free_at = {key: at for key, at in self._free_at.items() if at > moment}
        while len(self._free_at) > _MOST_KEYS:
            del self._free_at[next(iter(self._free_at))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server counts. Servers beside each other count for themselves."""

    requests: RateLimit = field(default_factory=lambda: RateLimit(count=API_REQUESTS))
    failures: RateLimit = field(default_factory=lambda: RateLimit(count=WRONG_TOKENS))
    sign_ins: RateLimit = field(default_factory=lambda: RateLimit(count=SIGN_INS))
    _known: dict[tuple[str, str], None] = field(default_factory=dict)
    """(client, token's hash) of those who came in; who came longest ago stands first."""
    _lock: Lock = field(default_factory=Lock)

    def count_request(self, key: str, name: str) -> None:
        """One more request is counted to `key`, which is `name`. Raises: TooManyRequests."""
        if wait := self.requests.take(key):
            raise TooManyRequests.after(wait, f"{name} asks more than {self.requests.count:,} times a minute")

    def count_sign_in(self, client: str) -> None:
        """The provider is asked once more for `client`. Raises: TooManyRequests."""
        if wait := self.sign_ins.take(client):
            raise TooManyRequests.after(wait, f"more than {self.sign_ins.count:,} sign-ins a minute are tried from where you are")

    def require_attempt(self, client: str, token: str) -> None:
        """Return when `token` may be looked at: this client came in by it before, or neither it nor the client failed too often. Raises: TooManyWrongTokens."""
        mark = _mark(token)
        if (client, mark) in self._known:
            return
        if wait := max(self.failures.wait(client), self.failures.wait(mark)):
            raise TooManyWrongTokens.after(wait, "too many wrong tokens were shown from where you are, or this one too often")

    def came_in(self, client: str, token: str) -> None:
        """The client's next requests by this token are not held back by wrong ones that others show beside it."""
        came = (client, _mark(token))
        with self._lock:
            self._known.pop(came, None)
            self._known[came] = None
            if len(self._known) > _MOST_KEYS:
                del self._known[next(iter(self._known))]

    def failed(self, client: str, token: str) -> None:
        """A wrong token was shown."""
        mark = _mark(token)
        with self._lock:
            self._known.pop((client, mark), None)
        self.failures.take(client)
        self.failures.take(mark)


def client_of(host: str | None) -> str:
    """Return as whom the client with this address is counted: an IPv6 network is one, and so are all who come by the Unix socket (None)."""
    if host is None:
        return "socket"
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))


def is_this_machine(host: str | None) -> bool:
    """Return whether the client with this address runs where the server runs: on loopback, or at its Unix socket (None)."""
    if host is None:
        return True
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _mark(token: str) -> str:
    """Return what is kept in the token's place."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(kw_only=True, eq=False)
class TooMany(Problem):
    """Whoever asks has to wait."""

    retry_after: int
    """Seconds, for the header of this name."""
    http_status: ClassVar[int] = 429

    @classmethod
    def after(cls, wait: timedelta, what: str) -> Self:
        """Return the problem of whoever may ask again after `wait`."""
        seconds = max(math.ceil(wait.total_seconds()), 1)
        return cls(what=what, remedy=f"wait {seconds} s, then try again", retry_after=seconds)


class TooManyRequests(TooMany):
    """Somebody asks more often than any of our programs would."""

    retryable: ClassVar[bool] = True


class TooManyWrongTokens(TooMany):
    """Tokens are being guessed, or one that lets nobody in any more is shown again and again."""

    exit_code: ClassVar[ExitCode] = ExitCode.NOT_AUTHORISED
