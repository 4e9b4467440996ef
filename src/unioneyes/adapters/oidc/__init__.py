"""OpenID Connect: any provider that people sign in with (Keycloak, Entra ID, Okta, Google, Clerk). Implements `ports.identity.IdentityProvider`."""

from unioneyes.adapters.oidc.claims import Reading
from unioneyes.adapters.oidc.provider import Client, OpenIdProvider

__all__ = ["Client", "OpenIdProvider", "Reading"]
