from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from unioneyes.environments import SETTINGS, UnknownEnvironment, audit_evidence, home_of, locate
from unioneyes.environments.local.address import NeverStarted, NotYours
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.ports import Ports, keep_ports
from unioneyes.environments.local.secrets import keep_secrets
from unioneyes.environments.local.stack import open_stack


def test_an_unknown_environment_is_told_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(UnknownEnvironment) as unknown:
        locate("staging")

    assert "'staging'" in unknown.value.what
    assert unknown.value.remedy.startswith("one of: local, cluster-test; or one whose folder")


def test_a_folder_with_a_file_is_an_environment_of_its_name_and_of_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "unioneyes" / "staging"
    folder.mkdir(parents=True)
    (folder / SETTINGS).write_text('name = "staging"\n')

    assert home_of("staging") == folder
    with pytest.raises(UnknownEnvironment, match="is of the environment 'staging', not of 'local'") as another:
        home_of("local", folder)
    assert another.value.remedy == '--env staging; or name = "local" in it'


@pytest.mark.parametrize("name", ["", "../local", "Local", "a" * 33])
def test_what_is_no_name_leads_to_no_folder(name: str) -> None:
    with pytest.raises(UnknownEnvironment, match="is no name of an environment"):
        home_of(name)


def test_a_home_without_a_stack_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(NeverStarted) as never:
        locate("local", tmp_path)

    assert never.value.remedy == "ue env up"


def test_the_address_and_the_token_are_those_that_were_kept(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.claim_home()
    keep_ports(layout.ports, Ports(control=8999))
    secrets = keep_secrets(layout.secrets)

    address = locate("local", tmp_path)

    assert address.url == "http://127.0.0.1:8999"
    assert address.token == secrets.api_token
    assert secrets.api_token.get_secret_value() not in repr(address)


def test_a_folder_of_another_user_is_told_with_the_other_way_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))  # as for everybody but the superuser

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(NotYours, match="can be read by its owner only") as refused:
        locate("local", tmp_path)
    assert "UE_URL" in refused.value.remedy
    with pytest.raises(NotYours):
        audit_evidence("local", tmp_path)
    with pytest.raises(NotYours):
        open_stack(tmp_path)


def test_the_default_home_is_in_the_users_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert home_of("local") == tmp_path / "unioneyes" / "local"


def test_importing_the_package_builds_nothing_and_imports_no_adapter() -> None:
    program = "import sys, unioneyes.environments; print([name for name in ('pydantic', 'psycopg', 'httpx', 'dbos') if name in sys.modules])"

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)

    assert said.stdout.strip() == "[]"
