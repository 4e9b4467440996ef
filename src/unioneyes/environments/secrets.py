"""Who gives which secret: the built-in providers, and those that plug-ins bring. Each is asked with a time limit, and none can print what it gave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib.metadata import entry_points

from pydantic import SecretStr

from unioneyes.kernel.problems import Problem
from unioneyes.kernel.units import format_duration
from unioneyes.ports.secrets import LONGEST, ProviderUnavailable, SecretProvider, SecretReference, SecretUnresolved

GROUP = "unioneyes.secrets"
"""The entry points of plug-ins: the provider's name, and what gives a `SecretProvider` when it is called."""
LIMIT = timedelta(seconds=10)
"""For one secret, whoever gives it."""


def _files() -> SecretProvider:
    from unioneyes.adapters.files.secrets import SecretFiles  # noqa: PLC0415 - only who names one pays for it

    return SecretFiles()


def _variables() -> SecretProvider:
    from unioneyes.adapters.variables import SecretVariables  # noqa: PLC0415 - the same

    return SecretVariables()


BUILT_IN: Mapping[str, Callable[[], SecretProvider]] = {"environment": _variables, "file": _files}


def providers() -> tuple[str, ...]:
    """Return the names of all the providers that are installed."""
    return tuple(sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))}))


def resolve(reference: SecretReference, *, limit: timedelta = LIMIT) -> SecretStr:
    """Return the secret as it is now: text that is not empty, of at most 64 KiB.

    Raises: NoSuchProvider, SecretUnresolved, ProviderUnavailable; none of them says what the secret is.
    """
    value = _within(limit, reference).get_secret_value()
    if not value or "\x00" in value or len(value.encode(errors="surrogateescape")) > LONGEST:
        raise SecretUnresolved(what=f"{reference} is no secret that can be used: it is empty, too long or no text", remedy="correct what is kept there")
    return SecretStr(value)


def _plugged_in(name: str) -> SecretProvider:
    """Return the provider that a plug-in brings. Raises: NoSuchProvider, whatever the plug-in raises."""
    found = tuple(entry_points(group=GROUP, name=name))
    if not found:
        raise NoSuchProvider(
            what=f"no provider of secrets is called {name!r}; there are: {', '.join(providers())}",
            remedy=f"correct the reference, or install a plug-in with an entry point {name!r} in the group {GROUP!r}",
        )
    if len({point.value for point in found}) > 1:
        by = ", ".join(sorted(point.dist.name if point.dist else point.value for point in found))
        raise NoSuchProvider(what=f"several plug-ins bring a provider of secrets called {name!r}: {by}", remedy="uninstall all but one of them")
    provider: SecretProvider = found[0].load()()
    return provider


def _provider(name: str) -> SecretProvider:
    return BUILT_IN[name]() if name in BUILT_IN else _plugged_in(name)


def _within(limit: timedelta, reference: SecretReference) -> SecretStr:
    """Return what is answered in time, by a thread of its own: a provider may hang, and may need an event loop of its own."""
    came: list[object] = []

    def answer() -> None:
        try:
            came.append(_provider(reference.provider).resolve(reference))
        except BaseException as error:  # noqa: BLE001 - is raised below, by whoever waits
            came.append(error)

    thread = threading.Thread(target=answer, name=f"secret-{reference.provider}", daemon=True)
    thread.start()
    thread.join(limit.total_seconds())
    if not came:
        raise ProviderUnavailable(
            what=f"{reference}: the provider gave no answer within {format_duration(limit)}", remedy="see that it works and can be reached, and try again"
        )
    match came[0]:
        case SecretStr() as value:
            return value
        case Problem() as problem:
            raise problem
        case other:  # an error, whose text may be anything, the secret too; or what a plug-in may not give
            raise SecretUnresolved(what=f"{reference}: the provider failed ({type(other).__name__})", remedy="see its documentation") from None


class NoSuchProvider(SecretUnresolved):
    """Nobody here gives such secrets."""
