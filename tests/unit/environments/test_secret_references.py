"""References to secrets: how they are written, who is asked, and what is never said."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.environments.secrets import NoSuchProvider, providers, resolve
from unioneyes.environments.settings import EnvironmentSettings, SettingsRefused, read_settings, references
from unioneyes.ports.secrets import BadReference, ProviderUnavailable, SecretReference, SecretUnresolved

CANARY = "canary-of-a-plug-in-55d0"
PLUG_IN = f"""
import time
from pydantic import SecretStr

class Vault:
    def resolve(self, reference):
        if reference.path == "hangs":
            time.sleep(60)
        if reference.path == "breaks":
            raise RuntimeError("{CANARY}")
        if reference.path == "text":
            return "{CANARY}"
        return SecretStr(f"{CANARY}/{{reference.path}}/{{reference.key}}")
"""


def test_a_reference_is_written_as_it_was_read() -> None:
    read = SecretReference.parse("secret://kubernetes/ops/slack#bot.token")

    assert read == SecretReference(provider="kubernetes", path="ops/slack", key="bot.token")
    assert str(read) == "secret://kubernetes/ops/slack#bot.token"


@given(
    st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9._~@:+=,%/-]{1,40}", fullmatch=True),
    st.none() | st.from_regex(r"[A-Za-z0-9._-]+", fullmatch=True),
)
def test_every_reference_comes_back(provider: str, path: str, key: str | None) -> None:
    reference = SecretReference(provider=provider, path=path, key=key)

    assert SecretReference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        CANARY,
        "secret://",
        "secret://file",
        "secret://file/",
        "secret:///x",
        "secret://File/x",
        "secret://file/a b",
        "secret://file/$(id)",
        "secret://file/x#",
        "secret://f/x#a/b",
    ],
)
def test_what_is_no_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadReference) as refused:
        SecretReference.parse(text)

    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("text", [f'[secrets]\nslack_token = "{CANARY}"\n', f'[control]\ntls_certificate = "/x"\ntls_key = "secret://{CANARY}"\n'])
def test_a_secret_in_the_environment_s_file_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(text)

    with pytest.raises(
        SettingsRefused, match=r"write it as secret://PROVIDER/PATH or secret://PROVIDER/PATH#KEY; a secret itself may not stand here"
    ) as refused:
        read_settings(file)

    assert CANARY not in str(refused.value)


def test_every_reference_of_the_environment_s_file_is_found_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(
        '[secrets]\nslack_token = "secret://kubernetes/ops/slack#token"\n[control]\ntls_certificate = "/etc/ops.crt"\ntls_key = "secret://file/etc/ops.key"\n'
    )

    assert {place: str(reference) for place, reference in references(read_settings(file))} == {
        "control.tls_key": "secret://file/etc/ops.key",
        "secrets.slack_token": "secret://kubernetes/ops/slack#token",
    }
    assert dict(references(EnvironmentSettings())) == {}


def test_a_variable_of_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_SLACK", CANARY)

    assert resolve(SecretReference.parse("secret://environment/OPS_SLACK")).get_secret_value() == CANARY
    with pytest.raises(SecretUnresolved, match="the variable OPS_OTHER is not set here"):
        resolve(SecretReference.parse("secret://environment/OPS_OTHER"))


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution as pip leaves it: a module, and a dist-info folder with its entry point."""
    (tmp_path / "ops_vault.py").write_text(PLUG_IN)
    about = tmp_path / "ops_vault-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ops-vault\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[unioneyes.secrets]\nvault = ops_vault:Vault\nbroken = ops_vault:Missing\nfile = ops_vault:Vault\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "ops_vault", raising=False)


@pytest.mark.usefixtures("plug_in")
def test_a_plug_in_gives_secrets_and_takes_no_built_in_provider_s_place(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the file")
    (tmp_path / "token").chmod(0o600)

    assert resolve(SecretReference.parse("secret://vault/team/slack#token")).get_secret_value() == f"{CANARY}/team/slack/token"
    assert resolve(SecretReference.parse(f"secret://file{tmp_path}/token")).get_secret_value() == "of the file"
    assert {"environment", "file", "vault"} <= set(providers())


@pytest.mark.usefixtures("plug_in")
@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("secret://vault/breaks", r"secret://vault/breaks: the provider failed \(RuntimeError\)"),
        ("secret://vault/text", r"the provider failed \(str\)"),
        ("secret://broken/x", r"the provider failed \(AttributeError\)"),
    ],
)
def test_what_a_plug_in_says_when_it_fails_is_not_repeated(reference: str, said: str) -> None:
    with pytest.raises(SecretUnresolved, match=said) as refused:
        resolve(SecretReference.parse(reference))

    assert CANARY not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.usefixtures("plug_in")
def test_a_plug_in_that_hangs_holds_nobody_up() -> None:
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="no answer within 200 ms"):
        resolve(SecretReference.parse("secret://vault/hangs"), limit=timedelta(milliseconds=200))

    assert time.monotonic() - began < 30


@pytest.mark.usefixtures("plug_in")
def test_a_provider_that_is_not_installed_is_said_with_those_that_are() -> None:
    with pytest.raises(NoSuchProvider, match=r"no provider of secrets is called 'conjur'; there are: broken, environment, file.*, vault") as refused:
        resolve(SecretReference.parse("secret://conjur/x"))

    assert "an entry point 'conjur' in the group 'unioneyes.secrets'" in refused.value.remedy
