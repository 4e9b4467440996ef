"""What a running stack gives. These drills leave it as they found it."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.stack import RunningStack, eventually
from unioneyes.adapters.postgres.bootstrap import DATABASE, OWNER
from unioneyes.environments.local.audit import keep_audit_key
from unioneyes.environments.local.stack import open_stack

pytestmark = pytest.mark.stack


@pytest.fixture
def empty_table(stack: RunningStack) -> Iterator[None]:
    """`drill.streams` is an empty table of the operated database; gone afterwards."""
    with psycopg.connect(open_stack(stack.home).database_url(OWNER).get_secret_value(), autocommit=True) as primary:
        primary.execute("CREATE SCHEMA drill")
        primary.execute("CREATE TABLE drill.streams (note text)")
        yield
        primary.execute("DROP SCHEMA drill CASCADE")


def test_status_names_every_address_every_process_and_both_colours(stack: RunningStack) -> None:
    said = stack.ue("env", "status", "-o", "json")
    shown = said.json()

    assert said.code == 0
    assert shown["state"] == "up"
    assert {"service_url", "preview_url", "control_url", "database_url", "processes", "colours"} <= shown.keys()
    processes, colours = shown["processes"], shown["colours"]
    assert isinstance(processes, list)
    assert isinstance(colours, list)
    assert {each["name"] for each in processes if isinstance(each, dict)} >= open_stack(stack.home).parts | {"supervisor"}
    assert all(isinstance(each["pid"], int) for each in processes if isinstance(each, dict))
    assert [each["colour"] for each in colours if isinstance(each, dict)] == ["blue", "green"]
    named = {"colour", "version", "replicas", "traffic", "restarts", "ended"}
    assert all(isinstance(each, dict) and named == each.keys() for each in colours)


def secrets_of(stack: RunningStack) -> tuple[str, ...]:
    return (*open_stack(stack.home).secrets.values(), keep_audit_key(stack.layout).get_secret_value())


def test_status_shows_no_secret(stack: RunningStack) -> None:
    secrets = secrets_of(stack)

    for form in ("json", "table"):
        said = stack.ue("env", "status", "-o", form)
        assert not [value for value in secrets if value in said.out + said.err]


def test_no_secret_stands_in_a_process_list(stack: RunningStack) -> None:
    secrets = [value.encode() for value in secrets_of(stack)]

    for process in stack.status().processes:
        for file in ("cmdline", "environ"):
            words = (f"/proc/{process.pid}/{file}", process.name)
            with open(words[0], "rb") as shown:  # noqa: PTH123 - a file of the kernel, read at once
                text = shown.read()
            assert not [value for value in secrets if value in text], words


def test_a_second_up_says_so_and_starts_nothing(stack: RunningStack) -> None:
    before = {process.name: process.pid for process in stack.status().processes}

    said = stack.start()

    assert said.code == 0
    assert "already up" in said.err
    assert {process.name: process.pid for process in stack.status().processes} == before


def test_another_port_for_a_running_stack_is_refused(stack: RunningStack) -> None:
    said = stack.ue("env", "up", "--service-port", "1")

    assert said.code == 1
    assert "the stack runs, and its service port is" in said.err
    assert "ue env down" in said.err


def test_before_a_deployment_members_are_told_that_nothing_is_there(stack: RunningStack) -> None:
    answer = httpx.get(f"{stack.status().service_url}/api/health", timeout=5)

    assert answer.status_code == 503


def test_the_control_plane_answers(stack: RunningStack) -> None:
    assert httpx.get(f"{stack.status().control_url}/api/v1/healthz", timeout=5).is_success


@pytest.mark.usefixtures("empty_table")
def test_what_is_written_arrives_at_the_replica(stack: RunningStack) -> None:
    opened = open_stack(stack.home)
    url = opened.replica.url(role=OWNER, password=opened.secrets.claims_owner, database=DATABASE).get_secret_value()
    with psycopg.connect(opened.database_url(OWNER).get_secret_value(), autocommit=True) as primary:
        primary.execute("INSERT INTO drill.streams VALUES ('written on the primary')")

    with psycopg.connect(url, autocommit=True) as replica:

        def arrived() -> bool:
            found = replica.execute("SELECT to_regclass('drill.streams') IS NOT NULL").fetchone()
            return found == (True,) and replica.execute("SELECT FROM drill.streams").rowcount == 1

        assert eventually(arrived)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            replica.execute("INSERT INTO drill.streams VALUES ('written on the replica')")
    assert (seen := stack.status().replication) is not None
    assert seen.connected


def test_the_database_refuses_a_wrong_password(stack: RunningStack) -> None:
    address = open_stack(stack.home)

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host="127.0.0.1", port=address.ports.database, user=OWNER, password="guessed", dbname=DATABASE, connect_timeout=5)


@pytest.mark.parametrize("name", ["envoy", "vendors", "control", "postgres-primary", "postgres-replica", "postgres-control"])
def test_a_part_that_crashes_comes_back(stack: RunningStack, name: str) -> None:
    crashed = stack.pid(name)

    os.kill(crashed, signal.SIGKILL)

    def back() -> bool:
        process = stack.process(name)
        return process.pid not in {None, crashed} and process.state == "ready"

    assert eventually(back)
    assert stack.process(name).restarts >= 1
    assert eventually(lambda: stack.ue("env", "status").code == 0)


def test_the_sockets_and_the_home_are_closed_to_other_users(stack: RunningStack) -> None:
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (stack.layout.sockets, stack.layout.home, stack.layout.secrets)} == {0o700}


def test_the_doctor_finds_nothing_wrong(stack: RunningStack) -> None:
    said = stack.ue("env", "doctor", "-o", "json")

    assert said.code == 0, said.out
    assert said.json()["healthy"] is True


def test_reset_without_the_name_is_refused_and_deletes_nothing(stack: RunningStack) -> None:
    for words in ((), ("--confirm", "production"), ("--confirm", "")):
        said = stack.ue("env", "reset", *words)
        assert said.code == 3
        assert "ue env reset --confirm local" in said.err
    assert stack.status().state == "up"
