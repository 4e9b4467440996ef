"""A run that waits for approval, in a control plane's database: as the engine writes it down, with nothing that would carry it out."""

from __future__ import annotations

import json
from datetime import timedelta

import psycopg
from pydantic import SecretStr

from unioneyes.kernel.access import Role
from unioneyes.kernel.ids import new_id
from unioneyes.ports.checklist import ApprovalRule
from unioneyes.runbook.codec import encode
from unioneyes.runbook.plan import Effect, Plan, PlannedStep

DAY = timedelta(days=1)


def rule(gate: str, title: str, *roles: Role) -> ApprovalRule:
    return ApprovalRule(gate=gate, title=title, roles=roles, needed=1, lasts=DAY, begins_within=timedelta(minutes=15), escalates_after=None)


PLAN = Plan(
    summary="deploy 1.1.0 to green",
    steps=(
        PlannedStep(step="check_release", does="every gate of the checklist is open, or waived", effect=Effect.READ),
        PlannedStep(
            step="shift_traffic",
            does="all new requests reach green",
            effect=Effect.CHANGE,
            commands=("cp green.yaml routes.yaml",),
            undo=("cp blue.yaml routes.yaml",),
        ),
    ),
    approvals=(
        rule("security-sign-off", "Security team sign-off", Role.SECURITY_APPROVER),
        rule("product-approval", "Product owner approval", Role.PRODUCT_APPROVER),
    ),
)


def waiting_run(database_url: SecretStr) -> str:
    """Return a run of jane's that waits for approval."""
    run = new_id("deploy")
    with psycopg.connect(database_url.get_secret_value(), autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO ue.runs (id, runbook, summary, status, service, requested_by, request, plan, plan_hash, parks)
            VALUES (%s, 'deployment.start', %s, 'awaiting-approval', 'unioneyes-web', 'jane', '{}', %s, %s, false)
            """,
            (run, PLAN.summary, json.dumps(encode(PLAN, Plan)), PLAN.hash()),
        )
    return run
