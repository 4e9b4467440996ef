"""Where a secret is read from: a reference to it, which anybody may read, and whoever gives what it refers to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import SecretStr

from unioneyes.kernel.problems import BadInput, Refused, Unavailable

SCHEME: Final = "secret://"
LONGEST: Final = 65_536
"""Bytes of UTF-8 that a secret may have: a chain of keys in PEM is shorter."""
WRITTEN: Final = re.compile(r"secret://(?P<provider>[a-z][a-z0-9-]{0,62})/(?P<path>[A-Za-z0-9._~@:+=,%/-]{1,1000})(?:#(?P<key>[A-Za-z0-9._-]{1,253}))?")
"""A reference, as it is written: of characters that mean nothing to a shell."""


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Names a secret, and is none: it may stand in files, in logs and on screens."""

    provider: str
    """Who is asked."""
    path: str
    """What the provider keeps it under, without a slash before it."""
    key: str | None = None
    """Which one, where several are kept together."""

    @classmethod
    def parse(cls, text: str) -> SecretReference:
        """Return what `secret://PROVIDER/PATH` or `secret://PROVIDER/PATH#KEY` refers to.

        Raises: BadReference, which does not repeat the text: it may be the secret itself.
        """
        found = WRITTEN.fullmatch(text)
        if found is None:
            raise BadReference(what="that is no reference to a secret", remedy="write it as secret://PROVIDER/PATH or secret://PROVIDER/PATH#KEY")
        return cls(provider=found["provider"], path=found["path"], key=found["key"])

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{SCHEME}{self.provider}/{self.path}{f'#{self.key}' if self.key else ''}"


class SecretProvider(Protocol):
    """Gives secrets: files, the environment's variables, Kubernetes, or a plug-in."""

    def resolve(self, reference: SecretReference) -> SecretStr:
        """Return the secret as it is now.

        It is read anew each time. What is raised says nothing of the value, not even how long it is.
        Raises: SecretUnresolved when it is not there, or may not be read; ProviderUnavailable when the provider does not answer at the moment.
        """


class BadReference(BadInput):
    """What was given is no reference to a secret."""


class SecretUnresolved(Refused):
    """A reference leads to no secret."""


class ProviderUnavailable(Unavailable):
    """Who keeps the secret does not answer at the moment."""
