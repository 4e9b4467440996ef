"""What the embedded stack waives: what the policy names, what its own file adds, and nothing that the file enforces."""

from __future__ import annotations

from unioneyes.environments.policy import policy_waivers, waivers
from unioneyes.environments.settings import EnvironmentSettings


def test_the_policy_waives_for_the_embedded_stack_what_nobody_can_say_there() -> None:
    assert set(policy_waivers("local")) == {"release-contract", "security-sign-off", "product-approval", "current-version", "staging-health"}


def test_production_waives_nothing() -> None:
    assert policy_waivers("production") == {}


def test_an_environment_s_own_file_adds_a_waiver_and_its_reason() -> None:
    waived = waivers("local", EnvironmentSettings(waivers={"migration-reviewed": "a rehearsal"}))
    assert waived == policy_waivers("local") | {"migration-reviewed": "a rehearsal"}


def test_an_enforced_gate_is_waived_by_nobody() -> None:
    settings = EnvironmentSettings(waivers={"migration-reviewed": "a rehearsal"}, enforced=["current-version", "migration-reviewed"])
    assert set(waivers("local", settings)) == set(policy_waivers("local")) - {"current-version"}
