"""An environment whose databases somebody else runs: what its file must say, what is reached where, and what is refused."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from shutil import rmtree

import pytest
import time_machine

from unioneyes.environments import Added, UnknownEnvironment, add_environment
from unioneyes.environments.local.address import NeverStarted, control_address
from unioneyes.environments.local.audit import BadAuditKey, build_sealing, checkpoint_file, keep_audit_key
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.lifecycle import RunsElsewhere, down, reset, up
from unioneyes.environments.local.ports import Ports, WantedPorts, keep_ports
from unioneyes.environments.local.secret_places import secret_places
from unioneyes.environments.local.stack import NoRestoreRole, Stack, open_stack, smoke_command
from unioneyes.environments.probe_token import ProbeToken, ProbeTokenUnavailable
from unioneyes.environments.settings import SettingsRefused, read_settings
from unioneyes.kernel.problems import Problem
from unioneyes.ports.secrets import SecretReference

CLUSTER = """
[cluster]
images = "registry.example.org/unioneyes"
url = "https://app.example.org"
preview_url = "https://preview.example.org"
context = "prod"
server = "https://api.example.org:6443"
"""
DATABASES = """
[database]
host = "db.example.org"
authority = "/etc/ue/db.pem"
[control.database]
host = "control-db.example.org"
port = 6432
authority = "/etc/ue/db.pem"
"""


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    yield made
    rmtree(Layout(made).sockets, ignore_errors=True)
    rmtree(made)


def secrets(folder: Path, *names: str) -> str:
    """The section that refers to them, and the files that it refers to."""
    kept = folder.with_name(f"{folder.name}-kept")
    kept.mkdir(exist_ok=True)
    for name in names:
        (kept / name).touch(mode=0o600)
        (kept / name).write_text(f"pass:{name}/@")
    return "[secrets]\n" + "".join(f'{name} = "secret://file{kept}#{name}"\n' for name in names)


NEEDED = ("claims_owner", "ue_backup", "ue_control", "slack_token")


def settle(home: Path, text: str) -> Stack:
    (home / "environment.toml").write_text(f'name = "production"\n{text}')
    return open_stack(home)


@pytest.fixture
def stack(home: Path) -> Iterator[Stack]:
    yield settle(home, CLUSTER + DATABASES + secrets(home, *NEEDED))
    rmtree(home.with_name(f"{home.name}-kept"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[database]\nhost = "db.example.org"\n', "[database] and [control.database] go together"),
        (DATABASES, "[database] goes with [cluster], without machine"),
        (CLUSTER + 'machine = "10.0.0.1"\n' + DATABASES, "[database] goes with [cluster], without machine"),
        (CLUSTER + DATABASES, "name secrets.claims_owner, secrets.ue_backup, secrets.ue_control, secrets.slack_token by reference"),
        (CLUSTER + DATABASES.replace("control-db", "db").replace("port = 6432", 'name = "unioneyes"'), "are the same one"),
        (CLUSTER + DATABASES.replace("[control", 'restore_role = "admin"\n[control'), "restore_role and secrets.restore go together"),
        ('[secrets]\nrestore = "secret://environment/R"\n', "restore_role and secrets.restore go together"),
        ("production = true\n" + CLUSTER + DATABASES.replace("[control", 'sslmode = "require"\n[control'), 'reached by sslmode = "verify-full"'),
        (CLUSTER + DATABASES.replace("db.example.org", "db.example.org/x"), "database.host: String should match pattern"),
        (CLUSTER + "service_account = true\n", "service_account is a pod's own way"),
        ("[service]\nsmoke = []\n", "service.smoke: List should have at least 1 item"),
        ('[service]\nprobe_path = "claims"\n', "service.probe_path: String should match pattern"),
        ('[incidents]\nslack_url = "http://slack.example.org/api"\n', "in clear text"),
    ],
)
def test_what_would_be_half_here_and_half_elsewhere_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(text)

    with pytest.raises(SettingsRefused) as refused:
        read_settings(file)

    assert said in refused.value.what


def test_a_proxy_on_this_machine_is_as_good_as_tls_in_production(home: Path) -> None:
    local = (
        DATABASES.replace("control-db.example.org", "127.0.0.1").replace("db.example.org", "localhost").replace("authority", 'sslmode = "disable"\nauthority')
    )

    stack = settle(home, "production = true\n" + CLUSTER + local + secrets(home, *NEEDED))

    assert stack.database_url("claims_owner").get_secret_value().endswith("@localhost:5432/unioneyes?sslmode=disable")


def test_production_in_a_pod_is_found_by_its_service_account(tmp_path: Path) -> None:
    file = tmp_path / "environment.toml"
    file.write_text(
        "production = true\n" + "\n".join(line for line in CLUSTER.splitlines() if not line.startswith(("context", "server"))) + "\nservice_account = true\n"
    )

    cluster = read_settings(file).cluster

    assert cluster is not None
    assert cluster.service_account


def test_both_databases_are_reached_by_tls_where_the_file_says(stack: Stack) -> None:
    verified = "?sslmode=verify-full&sslrootcert=%2Fetc%2Fue%2Fdb.pem"
    assert (
        stack.database_url("claims_owner").get_secret_value() == f"postgresql://claims_owner:pass%3Aclaims_owner%2F%40@db.example.org:5432/unioneyes{verified}"
    )
    assert stack.control_database_url.get_secret_value() == f"postgresql://ue_control:pass%3Aue_control%2F%40@control-db.example.org:6432/control{verified}"
    assert stack.shown_database_url == "postgresql://claims_owner@db.example.org:5432/unioneyes"
    assert stack.slack_url == "https://slack.com/api/"
    assert (stack.service_url, stack.preview_url) == ("https://app.example.org", "https://preview.example.org")
    assert stack.listening.url == "http://127.0.0.1:8180"
    assert smoke_command(stack) == ()


def test_nothing_is_restored_where_nobody_may(stack: Stack, home: Path) -> None:
    with pytest.raises(NoRestoreRole) as refused:
        stack.administrative_url("postgres")

    assert "db.example.org:5432/unioneyes" in refused.value.what
    may = settle(home, CLUSTER + DATABASES.replace("[control", 'restore_role = "admin"\n[control') + secrets(home, *NEEDED, "restore"))
    assert may.administrative_url("postgres").get_secret_value().startswith("postgresql://admin:pass%3Arestore%2F%40@db.example.org:5432/postgres?")


def test_no_password_of_a_database_elsewhere_is_made_up_here(stack: Stack) -> None:
    assert {file.name for file in stack.layout.secrets.iterdir()} == {"api-token", "slack-signing-secret"}
    assert {place.secret for place in secret_places(stack.layout) if not place.referred} == {
        "secrets.api_token",
        "secrets.slack_signing_secret",
        "secrets.audit_key",
    }
    assert "" not in stack.secrets.values()


@pytest.mark.parametrize(
    "refused", [lambda home: up(home, wanted=WantedPorts(), tell=print), lambda home: down(home, tell=print), lambda home: reset(home, tell=print)]
)
def test_what_others_run_is_neither_started_nor_ended(stack: Stack, refused: Callable[[Path], object]) -> None:
    before = sorted(stack.layout.home.iterdir())

    with pytest.raises(RunsElsewhere) as problem:
        refused(stack.layout.home)

    assert "db.example.org:5432/unioneyes" in problem.value.what
    assert sorted(stack.layout.home.iterdir()) == before


def test_an_embedded_stack_of_before_can_still_be_ended(stack: Stack) -> None:
    keep_ports(stack.layout.ports, Ports())

    assert down(stack.layout.home, tell=print) == ()


def test_its_server_is_found_without_ports_that_were_chosen(home: Path) -> None:
    (home / "environment.toml").write_text(f'name = "production"\n[control]\nport = 9180\n{CLUSTER}{DATABASES}{secrets(home, *NEEDED)}')
    with pytest.raises(NeverStarted) as never:
        control_address(home)
    assert "ue serve" in never.value.remedy

    open_stack(home)

    assert control_address(home).url == "http://127.0.0.1:9180"


def test_servers_without_a_folder_in_common_sign_with_one_key(stack: Stack, home: Path) -> None:
    refers = secrets(home, *NEEDED, "audit_key")
    key = home.with_name(f"{home.name}-kept") / "audit_key"
    key.write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
    again = settle(home, CLUSTER + DATABASES + refers)

    sealings = [build_sealing(again.layout, keep_audit_key(again.layout, again.audit_key)) for _ in range(2)]

    assert str(sealings[0].signer.verifier) == str(sealings[1].signer.verifier)
    assert len(checkpoint_file(again.layout).all()) == 1
    assert not (again.layout.secrets / "audit-key").exists()
    key.write_text("too short")
    with pytest.raises(BadAuditKey):
        keep_audit_key(again.layout, settle(home, CLUSTER + DATABASES + refers).audit_key)
    assert stack.audit_key is None


def test_an_environment_is_made_of_a_file_and_keeps_what_it_has(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\nbake = "1m"\n')

    added = add_environment(file, home)
    (home / "backups/kept.dump").touch()
    file.write_text('name = "mine"\nbake = "2m"\n')
    again = add_environment(file, home)

    assert added == again == Added("mine", home.resolve(), "")
    assert read_settings(home / "environment.toml").bake == timedelta(minutes=2)
    assert (home / "backups/kept.dump").exists()
    assert home.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("text", "refused"), [('name = "other"\n', UnknownEnvironment), ("bake = 1\n", SettingsRefused)])
def test_what_is_another_environment_s_or_wrong_is_not_taken(home: Path, tmp_path: Path, text: str, refused: type[Problem]) -> None:
    (home / "environment.toml").write_text('name = "mine"\n')
    file = tmp_path / "given.toml"
    file.write_text(text)

    for given in (file, tmp_path / "nowhere.toml"):
        with pytest.raises(refused if given == file else SettingsRefused):
            add_environment(given, home)
    assert (home / "environment.toml").read_text() == 'name = "mine"\n'


def test_a_probe_s_token_is_read_anew_and_the_probe_goes_on_without_one(tmp_path: Path) -> None:
    kept = tmp_path / "token"
    kept.touch(mode=0o600)
    kept.write_text("first")
    token = ProbeToken(SecretReference.parse(f"secret://file{kept}"))

    with time_machine.travel(0, tick=False):
        assert token().get_secret_value() == "first"
        kept.write_text("second")
        assert token().get_secret_value() == "first"
    kept.unlink()
    with pytest.raises(ProbeTokenUnavailable):
        ProbeToken(SecretReference.parse(f"secret://file{kept}"))()
