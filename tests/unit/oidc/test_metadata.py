"""Whether what answers for a provider is the provider."""

from __future__ import annotations

import pytest

from unioneyes.adapters.oidc.metadata import Metadata, require_trustworthy
from unioneyes.ports.identity import ProviderUnavailable


def metadata(issuer: str, **named: str) -> Metadata:
    addresses = {name: f"{issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint")}
    return Metadata.model_validate({"issuer": issuer, **addresses, **named})


@pytest.mark.parametrize("issuer", ["https://id.example.org", "http://127.0.0.1:1"])
def test_a_provider_may_name_addresses_anywhere_under_tls(issuer: str) -> None:
    require_trustworthy(metadata(issuer), issuer)
    require_trustworthy(metadata(issuer, token_endpoint="https://elsewhere.example.org/token"), issuer)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"])
@pytest.mark.parametrize("address", ["http://id.example.org/x", "javascript:alert(1)", "file:///etc/passwd", "//id.example.org/x", ""])
def test_a_provider_names_no_other_kind_of_address(name: str, address: str) -> None:
    with pytest.raises(ProviderUnavailable, match="in clear text"):
        require_trustworthy(metadata("https://id.example.org", **{name: address}), "https://id.example.org")


@pytest.mark.parametrize("other", ["https://id.example.org/", "https://ID.example.org", "https://id.example.org.attacker.example", ""])
def test_a_provider_is_the_one_that_was_named_letter_by_letter(other: str) -> None:
    with pytest.raises(ProviderUnavailable, match="says that it is"):
        require_trustworthy(metadata("https://id.example.org").model_copy(update={"issuer": other}), "https://id.example.org")
