"""The stack's secrets, where the environment's file says where they are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.certificates import Authority
from unioneyes.environments import locate
from unioneyes.environments.listening import CertificateUnusable, require_usable
from unioneyes.environments.local import lifecycle
from unioneyes.environments.local.audit import AUDIT_KEY
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.ports import Ports, WantedPorts, keep_ports
from unioneyes.environments.local.secret_places import secret_places
from unioneyes.environments.local.secrets import keep_secrets
from unioneyes.environments.local.stack import control_process, open_stack, vendors_process
from unioneyes.environments.secrets import digest_of, referred_variables, resolve_all
from unioneyes.environments.settings import EnvironmentSettings, SecretsSettings, read_settings, references
from unioneyes.ports.secrets import SecretReference, SecretUnresolved

CANARY = "canary-by-reference-7d1c"
KEY = SecretStr("the superuser's password")


def kept(path: Path, text: str = CANARY) -> str:
    path.write_text(f"{text}\n")
    path.chmod(0o600)
    return f"secret://file{path}"


def home(folder: Path, settings: str) -> Layout:
    layout = Layout(folder / "home")
    layout.claim_home()
    layout.settings.write_text(settings)
    keep_ports(layout.ports, Ports(control=8999))
    return layout


def test_no_file_is_made_for_a_secret_that_is_kept_elsewhere_and_it_is_read_when_it_is_used(tmp_path: Path) -> None:
    settings = SecretsSettings(slack_token=SecretReference.parse(f"secret://file{tmp_path}/later"))
    (tmp_path / "secrets").mkdir()

    secrets = keep_secrets(tmp_path / "secrets", settings)
    kept(tmp_path / "later")

    assert secrets.slack_token.get_secret_value() == CANARY
    assert CANARY in secrets.values()
    assert CANARY not in repr(secrets)
    assert not (tmp_path / "secrets" / "slack-token").exists()
    kept(tmp_path / "later", "rotated")
    assert secrets.slack_token.get_secret_value() == CANARY, "one process sees one value"


def test_the_environment_s_own_token_is_found_by_its_reference(tmp_path: Path) -> None:
    layout = home(tmp_path, f'[secrets]\napi_token = "{kept(tmp_path / "token")}"\n')

    address = locate("local", layout.home)

    assert address.token.get_secret_value() == CANARY
    assert CANARY not in repr(address)
    assert "$(cat" not in open_stack(layout.home).login, "no file of ours holds it"


def test_what_can_t_be_read_is_refused_before_anything_is_started_and_ends_nothing_either(tmp_path: Path) -> None:
    layout = home(tmp_path, f'[secrets]\nclaims_app = "secret://file{tmp_path}/gone"\n')
    before = sorted(layout.home.rglob("*"))

    with pytest.raises(SecretUnresolved, match=r"secrets\.claims_app = 'secret://file/.*/gone' in environment\.toml: .* No such file") as refused:
        lifecycle.up(layout.home, wanted=WantedPorts(), tell=lambda _: None)

    assert refused.value.remedy
    assert sorted(layout.home.rglob("*")) == sorted([*before, layout.lock])
    assert lifecycle.down(layout.home, tell=lambda _: None) == (), "ending needs no secret"


def test_break_glass_goes_without_those_that_can_t_be_read_and_says_which(tmp_path: Path) -> None:
    layout = home(tmp_path, f'[secrets]\nslack_token = "secret://file{tmp_path}/gone"\nclaims_app = "{kept(tmp_path / "app")}"\n')

    secrets, missing = open_stack(layout.home).secrets.as_far_as_there()

    assert list(missing) == ["slack_token"]
    assert "gone" in missing["slack_token"].what
    assert secrets.claims_app.get_secret_value() == CANARY
    assert len(secrets.slack_token.get_secret_value()) >= 43, "nobody guesses what stands in its place"


def test_a_rotated_secret_starts_the_server_and_the_simulators_anew_and_a_digest_tells_nothing_of_it(tmp_path: Path) -> None:
    layout = home(tmp_path, f'[secrets]\nslack_token = "{kept(tmp_path / "slack")}"\n')
    stack = open_stack(layout.home)
    first = digest_of(resolve_all(stack.settings), key=KEY)
    kept(tmp_path / "slack", "rotated")
    second = digest_of(resolve_all(stack.settings), key=KEY)

    assert control_process(stack, digest=first) != control_process(stack, digest=second)
    assert vendors_process(stack, digest=first) != vendors_process(stack, digest=second)
    assert control_process(stack, digest=digest_of({}, key=KEY)) == control_process(stack), "without references, nothing changes"
    assert first != digest_of(resolve_all(stack.settings), key=SecretStr("another"))


def test_the_server_s_process_gets_the_variables_that_the_file_refers_to_and_nobody_else_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_SLACK", CANARY)
    layout = home(tmp_path, f'[secrets]\nslack_token = "secret://environment/OPS_SLACK"\nclaims_app = "{kept(tmp_path / "app", "of a file")}"\n')
    stack = open_stack(layout.home)

    variables = referred_variables(stack.settings, resolve_all(stack.settings))

    assert variables == {"OPS_SLACK": CANARY}
    assert control_process(stack, variables=variables).env["OPS_SLACK"] == CANARY
    assert "OPS_SLACK" not in vendors_process(stack).env


CLUSTER = '[cluster]\nserver = "https://cluster"\nnamespace = "n"\nimages = "r/i"\nurl = "http://m"\npreview_url = "http://p"\n'


@pytest.mark.parametrize(
    ("settings", "handed_on"),
    [
        (CLUSTER, True),
        (CLUSTER + 'kubeconfig = "/etc/way"\n', False),
        ('[secrets]\nslack_token = "secret://kubernetes/ops/slack#token"\n', True),
        ("", False),
    ],
    ids=["a cluster", "a cluster whose file is named", "a Secret", "neither"],
)
def test_the_server_s_process_finds_the_cluster_that_whoever_started_it_did(tmp_path: Path, settings: str, *, handed_on: bool) -> None:
    stack = open_stack(home(tmp_path, settings).home)
    found = {"secrets.slack_token": SecretStr("never asked for")}

    variables = referred_variables(stack.settings, found, {"KUBECONFIG": "/some/way"})

    assert variables == ({"KUBECONFIG": "/some/way"} if handed_on else {})
    assert referred_variables(stack.settings, found, {}) == {}


def test_every_secret_that_the_settings_can_refer_to_is_one_of_the_stack(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    all_of_them = {name: f"secret://file{tmp_path}/{name}" for name in SecretsSettings.model_fields if name != AUDIT_KEY}
    for name in all_of_them:
        kept(tmp_path / name, f"{CANARY}-{name}")

    settings = SecretsSettings.model_validate(all_of_them)
    values = keep_secrets(tmp_path / "secrets", settings).values()

    assert {value for value in values if value.startswith(CANARY)} == {f"{CANARY}-{name}" for name in all_of_them}
    assert {place for place, _ in references(EnvironmentSettings.model_construct(secrets=settings))} == {f"secrets.{name}" for name in all_of_them}


def test_where_each_secret_is_kept_is_shown_and_never_what_it_is(tmp_path: Path) -> None:
    layout = home(tmp_path, f'[secrets]\nslack_token = "{kept(tmp_path / "slack")}"\nue_control = "secret://vault/x"\n')
    never = {place.secret: place for place in secret_places(layout)}
    own = keep_secrets(layout.secrets, read_settings(layout.settings).secrets)
    (layout.secrets / "ue-backup").chmod(0o644)
    found = {place.secret: place for place in secret_places(layout)}

    assert not never["superuser"].made
    assert never["superuser"].problem is None
    assert found["secrets.slack_token"].problem is None
    assert "no provider of secrets is called 'vault'" in str(found["secrets.ue_control"].problem)
    assert "its mode is 0644" in str(found["secrets.ue_backup"].problem)
    assert found["secrets.claims_app"].kept == str(layout.secrets / "claims-app")
    shown = repr(found)
    assert not [value for value in (own.superuser.get_secret_value(), CANARY) if value in shown]


def test_a_server_speaks_tls_with_a_key_by_reference(tmp_path: Path) -> None:
    issued, other = Authority(tmp_path, "authority").issue("ops.example"), Authority(tmp_path, "other").issue("other.example")
    file = tmp_path / "environment.toml"

    def settled(reference: str) -> EnvironmentSettings:
        file.write_text(f'[control]\nhost = "0.0.0.0"\ntls_certificate = "{issued.certificate}"\ntls_key = "{reference}"\n')
        return read_settings(file)

    require_usable(settled(f"secret://file{issued.key}").control)
    with pytest.raises(CertificateUnusable, match=r"secret://file.*other\.example\.key can't be used"):
        require_usable(settled(f"secret://file{other.key}").control)
    with pytest.raises(SecretUnresolved, match=r"control\.tls_key = "):
        require_usable(settled(f"secret://file{tmp_path}/gone").control)
