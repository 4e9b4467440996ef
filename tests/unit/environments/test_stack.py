from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from unioneyes.adapters.processes.layout import ReplicaSlot
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.ports import Ports
from unioneyes.environments.local.secrets import Secrets
from unioneyes.environments.local.stack import (
    Stack,
    control_process,
    envoy_process,
    postgres_process,
    rehearsal_process,
    replica_process,
    vendors_process,
)
from unioneyes.environments.settings import EnvironmentSettings
from unioneyes.ports.traffic import Colour

SECRETS = Secrets(**{name: SecretStr(f"only-for-this-test-{name}") for name in Secrets.__dataclass_fields__})


@pytest.fixture
def stack() -> Stack:
    ports = Ports(database=20001, replica=20002, control_database=20003, vendors=20004)
    return Stack(layout=Layout(Path("/home/of/a/stack")), ports=ports, settings=EnvironmentSettings(), secrets=SECRETS)


def slot(stack: Stack) -> ReplicaSlot:
    return ReplicaSlot(name="blue-1", colour=Colour.BLUE, version="1.1.0", socket=stack.layout.sockets / "blue-1.sock")


def test_the_parts_are_the_processes_that_are_always_there(stack: Stack) -> None:
    specs = (*(postgres_process(stack, server) for server in stack.servers), vendors_process(stack), envoy_process(stack, ("envoy",)), control_process(stack))

    assert {spec.name for spec in specs} == stack.parts


def test_every_process_bears_the_mark_and_logs_into_a_file_of_its_own(stack: Stack) -> None:
    specs = (
        *(postgres_process(stack, server) for server in stack.servers),
        vendors_process(stack),
        envoy_process(stack, ("envoy",)),
        control_process(stack),
        replica_process(stack, slot(stack)),
        rehearsal_process(stack, "1.1.0", 20009),
    )

    assert {spec.env["UE_STACK"] for spec in specs} == {"/home/of/a/stack"}
    assert {spec.log for spec in specs} == {stack.layout.logs / f"{spec.name}.log" for spec in specs}
    assert len({spec.log for spec in specs}) == len(specs)


def test_slack_s_simulator_tells_the_server_what_people_do_wherever_it_listens(stack: Stack) -> None:
    def told(**control: str) -> str:
        settings = EnvironmentSettings.model_validate({"control": control})
        return " ".join(vendors_process(replace(stack, settings=settings, ports=replace(stack.ports, control=20005))).argv)

    assert "--slack-request-url http://127.0.0.1:20005/hooks/slack" in told()
    under_tls = told(host="127.0.0.1", tls_certificate="/etc/ue/ops.crt", tls_key="/etc/ue/ops.key")
    assert "--slack-request-url https://127.0.0.1:20005/hooks/slack --slack-request-certificate /etc/ue/ops.crt" in under_tls
    assert "--slack-request-url" not in told(socket="/run/ue.sock"), "which Slack does not reach either"


def test_no_secret_stands_in_a_command_or_in_an_environment(stack: Stack) -> None:
    for spec in (replica_process(stack, slot(stack)), rehearsal_process(stack, "1.1.0", 20009), vendors_process(stack), control_process(stack)):
        shown = " ".join((*spec.argv, *spec.env.values()))
        assert not [value for value in SECRETS.values() if value in shown]


def test_a_replica_ends_before_what_it_needs_and_has_time_to_finish(stack: Stack) -> None:
    spec = replica_process(stack, slot(stack))

    assert set(spec.after) == {"postgres-primary", "vendors", "envoy"}
    assert spec.grace > timedelta(seconds=23)


def test_only_the_embedded_stack_allows_faults_and_a_rehearsal_does_not_drain(stack: Stack) -> None:
    assert replica_process(stack, slot(stack)).env["CLAIMS_ALLOW_FAULTS"] == "true"
    assert rehearsal_process(stack, "1.1.0", 20009).env["CLAIMS_DRAIN_SECONDS"] == "0"


def test_other_settings_make_another_control_process(stack: Stack) -> None:
    other = Stack(layout=stack.layout, ports=stack.ports, settings=EnvironmentSettings(bake="1m"), secrets=SECRETS)  # type: ignore[arg-type]  # as the file says it

    assert control_process(stack) == control_process(stack)
    assert control_process(other) != control_process(stack)


def test_the_shown_database_address_has_no_password(stack: Stack) -> None:
    assert stack.shown_database_url == "postgresql://claims_owner@127.0.0.1:20001/unioneyes"
