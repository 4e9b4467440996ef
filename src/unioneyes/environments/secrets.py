"""Who gives which secret: the built-in providers, and those that plug-ins bring. Each is asked with a time limit, and none can print what it gave."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from unioneyes.environments.settings import EnvironmentSettings, references
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.units import format_duration
from unioneyes.ports.secrets import LONGEST, ProviderUnavailable, SecretProvider, SecretReference, SecretUnresolved

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "unioneyes.secrets"
"""The entry points of plug-ins: the provider's name, and what gives a `SecretProvider` when it is called."""
VARIABLES = "environment"
"""The provider that reads this process's variables."""
KUBERNETES = "kubernetes"
"""The provider that reads Secrets of a cluster."""
LIMIT = timedelta(seconds=10)
"""For one secret, whoever gives it."""


def _files() -> SecretProvider:
    from unioneyes.adapters.files.secrets import SecretFiles  # noqa: PLC0415 - only who names one pays for it

    return SecretFiles()


def _variables() -> SecretProvider:
    from unioneyes.adapters.variables import SecretVariables  # noqa: PLC0415 - the same

    return SecretVariables()


def _kubernetes() -> SecretProvider:
    from unioneyes.adapters.kubernetes import KubernetesSecrets  # noqa: PLC0415 - the same

    return KubernetesSecrets()


BUILT_IN: Mapping[str, Callable[[], SecretProvider]] = {VARIABLES: _variables, "file": _files, KUBERNETES: _kubernetes}


def providers() -> tuple[str, ...]:
    """Return the names of all the providers that are installed."""
    return tuple(sorted({*BUILT_IN, *(point.name for point in _plug_ins())}))


def _plug_ins() -> EntryPoints:
    from importlib.metadata import entry_points  # noqa: PLC0415 - reads the names of all that is installed

    return entry_points(group=GROUP)


def resolve(reference: SecretReference, *, limit: timedelta = LIMIT) -> SecretStr:
    """Return the secret as it is now: text that is not empty, of at most 64 KiB.

    Raises: NoSuchProvider, SecretUnresolved, ProviderUnavailable; none of them says what the secret is.
    """
    value = _within(limit, reference).get_secret_value()
    if not value or "\x00" in value or len(value.encode(errors="surrogateescape")) > LONGEST:
        raise SecretUnresolved(what=f"{reference} is no secret that can be used: it is empty, too long or no text", remedy="correct what is kept there")
    return SecretStr(value)


class InstalledProviders:
    """Every provider that is installed, as one. Implements `ports.secrets.SecretProvider`."""

    def resolve(self, reference: SecretReference) -> SecretStr:
        """Return the secret as it is now. See the port."""
        return resolve(reference)


def resolve_at(place: str, reference: SecretReference) -> SecretStr:
    """Return the secret that `place` of the environment's file refers to. Raises: SecretUnresolved, also where the provider does not answer."""
    try:
        return resolve(reference)
    except Problem as problem:
        raise SecretUnresolved(what=f"{place} = {str(reference)!r} in environment.toml: {problem.what}", remedy=problem.remedy) from None


def resolve_all(settings: EnvironmentSettings) -> dict[str, SecretStr]:
    """Return every secret that the environment's file refers to, by its place. Raises: SecretUnresolved, for the first that can't be read."""
    return {place: resolve_at(place, reference) for place, reference in references(settings)}


def referred_variables(settings: EnvironmentSettings, found: Mapping[str, SecretStr], variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment variables that the file refers to, as they were `found`, and the one that leads to its cluster.

    They are what a process needs that reads the same file.
    """
    referred = dict(references(settings))
    named = {reference.path: found[place].get_secret_value() for place, reference in referred.items() if reference.provider == VARIABLES}
    asks_a_cluster = (settings.cluster and not settings.cluster.kubeconfig) or any(each.provider == KUBERNETES for each in referred.values())
    kubeconfig = variables.get("KUBECONFIG")
    return named | ({"KUBECONFIG": str(Path(kubeconfig).absolute())} if kubeconfig and asks_a_cluster else {})


def digest_of(found: Mapping[str, SecretStr], *, key: SecretStr) -> str:
    """Return what changes with the secrets, and tells nothing of them to whoever has not the key; nothing when there are none."""
    if not found:
        return ""
    values = json.dumps({place: value.get_secret_value() for place, value in sorted(found.items())})
    return hmac.new(key.get_secret_value().encode(), values.encode(), hashlib.sha256).hexdigest()[:12]


class SecretByReference(SecretStr):
    """A secret that is read when it is asked for first, and is the same from then on."""

    def __init__(self, place: str, reference: SecretReference) -> None:
        """Refer to what `place` of the environment's file says; nobody is asked yet."""
        super().__init__("not read yet")  # an empty one is false
        self._place, self._reference = place, reference
        self._found: SecretStr | None = None

    def get_secret_value(self) -> str:
        """Return the secret. Raises: SecretUnresolved."""
        if self._found is None:
            self._found = resolve_at(self._place, self._reference)
        return self._found.get_secret_value()


def _plugged_in(name: str) -> SecretProvider:
    """Return the provider that a plug-in brings. Raises: NoSuchProvider, whatever the plug-in raises."""
    found = tuple(_plug_ins().select(name=name))
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
