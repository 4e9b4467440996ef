"""`[sign_in]`: what is refused before a server starts, and where browsers are sent back to."""

from __future__ import annotations

from pathlib import Path

import pytest

from unioneyes.environments.listening import AtSocket, Certificate, Listening, OnAddress
from unioneyes.environments.settings import SettingsRefused, SignInSettings, read_settings
from unioneyes.environments.sign_in import NoWayBack, open_sign_in, own_address
from unioneyes.kernel.access import Role

GOOD = """
[sign_in]
issuer = "https://id.example.org"
client_id = "unioneyes"
[sign_in.roles]
platform = ["operator", "release-approver"]
"""
TLS = Certificate(chain=Path("/c"), key=Path("/k"))


def settled(tmp_path: Path, text: str) -> SignInSettings:
    (tmp_path / "environment.toml").write_text(text)
    found = read_settings(tmp_path / "environment.toml").sign_in
    assert found
    return found


def test_what_is_left_out_is_what_providers_call_it(tmp_path: Path) -> None:
    found = settled(tmp_path, GOOD)
    assert (found.name_claim, found.roles_claim, found.scopes, found.client_secret) == ("preferred_username", "groups", ["openid", "profile", "email"], None)
    assert found.roles == {"platform": [Role.OPERATOR, Role.RELEASE_APPROVER]}
    assert read_settings(tmp_path / "nothing.toml").sign_in is None


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("https://id.example.org", "http://id.example.org", "in clear text"),
        ("https://id.example.org", "id.example.org", "https://NAME"),
        ("https://id.example.org", "https://me:secret@id.example.org", "https://NAME"),
        ("https://id.example.org", "https://id.example.org/?a=b", "https://NAME"),
        ('"operator", "release-approver"', '"boss"', "sign_in.roles.platform"),
        ('"operator", "release-approver"', "", "sign_in.roles.platform"),
        ('platform = ["operator", "release-approver"]', "", "sign_in.roles"),
        ('client_id = "unioneyes"', "", "client_id"),
        ('client_id = "unioneyes"', 'client_id = "unioneyes"\nclient_secret = "hunter2-in-the-file"', "client_secret"),
        ('client_id = "unioneyes"', 'client_id = "unioneyes"\nscopes = ["profile"]', "without openid"),
        ('client_id = "unioneyes"', 'client_id = "unioneyes"\nurl = "https://ops.example.org/console"', "no path"),
        ('client_id = "unioneyes"', 'client_id = "unioneyes"\ndefault_role = "viewer"', "default_role"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place_and_without_its_value(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    assert right in GOOD
    with pytest.raises(SettingsRefused, match=told) as refused:
        settled(tmp_path, GOOD.replace(right, wrong))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("at", "url", "own"),
    [
        (OnAddress(host="127.0.0.1", port=8180), None, "http://127.0.0.1:8180"),
        (OnAddress(host="::1", port=8180), None, "http://[::1]:8180"),
        (OnAddress(host="0.0.0.0", port=8180, certificate=TLS, name="ops.example.org"), None, "https://ops.example.org:8180"),  # noqa: S104 - the point
        (OnAddress(host="127.0.0.1", port=443, certificate=TLS, name="ops.example.org"), None, "https://ops.example.org"),
        (OnAddress(host="127.0.0.1", port=8180, name="ops.example.org"), "https://ops.example.org/", "https://ops.example.org"),
        (AtSocket(path=Path("/s"), name="ops.example.org"), "https://ops.example.org:444", "https://ops.example.org:444"),
    ],
)
def test_browsers_come_back_to_the_configured_address(tmp_path: Path, at: Listening, url: str | None, own: str) -> None:
    settings = settled(tmp_path, GOOD).model_copy(update={"url": url})
    assert own_address(settings, at) == own


@pytest.mark.parametrize(
    ("at", "url", "told"),
    [
        (AtSocket(path=Path("/s")), None, "Unix socket"),
        (AtSocket(path=Path("/s")), "https://ops.example.org", "names ops.example.org"),
        (OnAddress(host="127.0.0.1", port=1), "https://ops.example.org", "names ops.example.org"),
        (OnAddress(host="127.0.0.1", port=1, name="ops.example.org"), None, "in clear text"),
    ],
)
def test_where_nobody_could_come_back_nobody_is_sent_away(tmp_path: Path, at: Listening, url: str | None, told: str) -> None:
    settings = settled(tmp_path, GOOD).model_copy(update={"url": url})
    with pytest.raises(NoWayBack, match=told):
        open_sign_in(settings, at)
