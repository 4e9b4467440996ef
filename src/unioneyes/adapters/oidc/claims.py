"""What a provider's claims make of somebody: a name, groups, and the roles that these bring. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from unioneyes.kernel.access import Role, require_name
from unioneyes.ports.identity import IdentityRefused

_VERIFIED = (True, "true")
"""Some providers write it as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Which claims are read, and what their values mean here."""

    name_claim: str
    roles_claim: str
    roles: Mapping[str, frozenset[Role]]
    """Group -> roles. What does not stand here brings nothing."""

    def missing(self, claims: Mapping[str, JsonValue]) -> bool:
        """Return whether one of them is not there: then the provider has to be asked for more."""
        read = {self.name_claim, self.roles_claim, *({"email_verified"} if "email" in {self.name_claim, self.roles_claim} else ())}
        return any(claim(claims, each) is None for each in read)

    def name(self, claims: Mapping[str, JsonValue]) -> str:
        """Return under which name they stand in journals: in lower case. Raises: IdentityRefused, UnusableName."""
        found = self._of(claims, self.name_claim)
        if not isinstance(found, str) or not found:
            raise IdentityRefused(
                what=f"the identity provider does not say what you are called: there is no {self.name_claim}",
                remedy="ask an administrator of this server for another [sign_in] name_claim or more scopes",
            )
        return require_name(found.lower())

    def groups(self, claims: Mapping[str, JsonValue]) -> tuple[str, ...]:
        """Return what they belong to. Raises: IdentityRefused."""
        match self._of(claims, self.roles_claim):
            case str(one):
                return (one,)
            case list(several):
                return tuple(each for each in several if isinstance(each, str))
            case _:
                return ()

    def brought(self, groups: tuple[str, ...]) -> frozenset[Role]:
        """Return the roles that the groups bring."""
        return frozenset(role for group in groups for role in self.roles.get(group, ()))

    def _of(self, claims: Mapping[str, JsonValue], path: str) -> JsonValue:
        found = claim(claims, path)
        if path == "email" and found is not None and claims.get("email_verified") not in _VERIFIED:
            raise IdentityRefused(
                what="the identity provider never verified that your e-mail address is yours", remedy="verify it there, and sign in once more"
            )
        return found


def claim(claims: Mapping[str, JsonValue], path: str) -> JsonValue:
    """Return the claim called so, or the one that the dots lead to; None when there is none."""
    if path in claims:
        return claims[path]
    found: JsonValue = dict(claims)
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    return found
