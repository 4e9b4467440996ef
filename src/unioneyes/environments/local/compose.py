"""The ports of the embedded stack: which adapter stands behind each. The one place that builds them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import SecretStr

import unioneyes.environments.chapters  # noqa: F401 - the policy is read by those who know every runbook of the program
from unioneyes.adapters.files import MarkdownFolder
from unioneyes.adapters.git import ReleaseChecklist
from unioneyes.adapters.postgres.activity import ServerActivity
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP, OWNER
from unioneyes.adapters.postgres.erasures import ErasingProgram
from unioneyes.adapters.postgres.migrations import DrizzleMigrations
from unioneyes.adapters.postgres.plans import ServerPlans
from unioneyes.adapters.postgres.queries import OperatedQueries
from unioneyes.adapters.postgres.query_history import ServerQueryHistory
from unioneyes.adapters.postgres.restores import RestoresBeside
from unioneyes.adapters.postgres.vitals import ServerVitals
from unioneyes.adapters.service import HttpService, SyntheticMember
from unioneyes.adapters.shell import BashShell
from unioneyes.adapters.slack import SlackChat, SlackNotifier
from unioneyes.environments.backup_store import build_archive, retention_of
from unioneyes.environments.folders import report_file, runbooks_folder, source_folder
from unioneyes.environments.local.any_service import carried_migrations, standing_version
from unioneyes.environments.local.audit import build_sealing, keep_audit_key, keep_remote_witness, kept_audit_key
from unioneyes.environments.local.control import control_state
from unioneyes.environments.local.parts import SERVICE_NAME, build_serving, require_operable
from unioneyes.environments.local.recovery import build_recovery
from unioneyes.environments.local.stack import Stack, open_stack, smoke_command
from unioneyes.environments.model import DirectEnvironment, OpenedEnvironment
from unioneyes.environments.policy import approval_rules, freeze_windows, waivers
from unioneyes.environments.probe_token import ProbeToken
from unioneyes.environments.secrets import InstalledProviders, resolve_all
from unioneyes.environments.sign_in import open_sign_in
from unioneyes.kernel.fencing import Fence
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.environment import Environment, Facts
from unioneyes.runbook.direct.folder import DirectFolder

POD_ADDRESS = "UE_POD_ADDRESS"
"""Environment variable in which a pod of `ue` finds its own address."""


def compose(home: Path) -> OpenedEnvironment:
    """Return the stack in `home` as an environment; nothing is started.

    Raises: NeverStarted, SettingsRefused, SecretUnresolved, AuditKeyLost, RemoteWitnessMoved, NoWayBack.
    """
    stack = open_stack(home)
    referred = resolve_all(stack.settings)
    audit_key = keep_audit_key(stack.layout, stack.audit_key)
    remote = keep_remote_witness(stack.layout, stack.settings)
    sign_in = open_sign_in(stack.settings.sign_in, stack.listening)
    return OpenedEnvironment(
        environment=build_environment(stack),
        control_database_url=stack.control_database_url,
        listening=stack.listening,
        api_token=stack.secrets.api_token,
        sign_in=sign_in,
        chat=SlackChat(token=stack.secrets.slack_token, signing_secret=stack.secrets.slack_signing_secret, base_url=stack.slack_url),
        runbooks=runbooks_folder(stack.settings),
        refuse_undrilled=stack.settings.runbooks.refuse_undrilled,
        redactor=Redactor((*stack.secrets.values(), *(value.get_secret_value() for value in referred.values()), audit_key.get_secret_value())),
        sealing=build_sealing(stack.layout, audit_key, remote),
        alarm=stack.layout.alarm,
        break_glass=DirectFolder(stack.layout.break_glass),
        require_operable=partial(require_operable, stack.settings),
    )


def compose_directly(home: Path) -> DirectEnvironment:
    """Return the stack in `home` as it is operated without its server.

    What only the server needs may be broken. Raises: NeverStarted, NotYours, SettingsRefused.
    """
    stack = open_stack(home)
    secrets, missing = stack.secrets.as_far_as_there()
    stack = replace(stack, secrets=secrets)
    return DirectEnvironment(
        environment=build_environment(stack),
        redactor=Redactor((*stack.secrets.values(), *kept_audit_key(stack.layout, stack.audit_key))),
        break_glass=DirectFolder(stack.layout.break_glass),
        control=lambda: control_state(stack, token_read="api_token" not in missing),
        missing=tuple(missing.values()),
    )


def build_environment(stack: Stack) -> Environment:
    """Return the ports of `stack`."""
    serving, name = build_serving(stack), stack.settings.name
    carried = carried_migrations(stack.settings.service)
    migrations = DrizzleMigrations(
        database_url=stack.database_url(OWNER),
        versions=lambda: tuple(release.version for release in serving.releases.all()),
        folders=carried.folders,
        upto=carried.newest,
        reading_url=stack.database_url(BACKUP),
    )
    archive = build_archive(stack.settings.backup, folder=stack.layout.backups, work=stack.layout.scratch)
    return Environment(
        facts=Facts(
            name=name,
            production=stack.settings.production,
            service=SERVICE_NAME,
            replicas=stack.settings.service.replicas,
            ready_within=stack.settings.service.ready_within,
            database=stack.database_name,
            incidents_channel=stack.settings.incidents.channel,
            bake=stack.settings.bake,
            no_data=stack.settings.no_data,
            retention=retention_of(stack.settings.backup),
            backup_daily=stack.settings.backup.daily,
            console=stack.console_url,
            protected_sessions=tuple(stack.settings.sessions.protect),
        ),
        releases=serving.releases,
        checklist=ReleaseChecklist(
            folder=source_folder(stack.settings),
            staging_url=stack.settings.staging.url if stack.settings.staging else None,
            report=report_file(stack.settings),
            waivers=waivers(name, stack.settings),
            calendar=lambda: freeze_windows(name),
            rules=approval_rules,
        ),
        traffic=serving.traffic,
        edge=serving.edge,
        replicas=serving.replicas,
        pods=serving.pods,
        service=HttpService(
            public_url=stack.service_url,
            preview_urls=stack.preview_urls,
            health_path=stack.settings.service.health_path,
            probe_path=stack.settings.service.probe_path,
            probe_token=_probe_token(stack),
            smoke_command=smoke_command(stack),
            stands=standing_version(serving.replicas, serving.traffic) if stack.settings.service.plain else None,
        ),
        migrations=migrations,
        backups=VerifiedBackups(
            archive=archive,
            database_url=stack.database_url(BACKUP),
            scratch_folder=stack.layout.scratch,
            migration_names=migrations.tags,
            reached_at=_reached_at(stack),
        ),
        restores=RestoresBeside(
            admin=stack.administrative_url,
            database=stack.database_name,
            archive=archive,
            data_folder=None if stack.settings.elsewhere else stack.primary.data,
        ),
        erasures=ErasingProgram(argv=tuple(stack.settings.privacy.erase_again or ()), admin=stack.administrative_url),
        activity=ServerActivity(database_url=stack.operator_url),
        vitals=ServerVitals(
            database_url=stack.operator_url,
            replica_url=None if stack.settings.elsewhere else stack.replica_operator_url,
            data_folder=None if stack.settings.elsewhere else stack.primary.data,
        ),
        query_history=ServerQueryHistory(database_url=stack.operator_url, log_folder=None if stack.settings.elsewhere else stack.query_log),
        plans=ServerPlans(database_url=stack.service_role_url),
        recovery=build_recovery(stack),
        notifier=SlackNotifier(token=stack.secrets.slack_token, base_url=stack.slack_url),
        documents=MarkdownFolder(stack.layout.documents),
        shell=BashShell(
            folder=source_folder(stack.settings),
            points_at={"UE_ENV": name, "UE_HOME": str(stack.layout.home)},
            fence=Fence(stack.layout.home / "blocks.lock"),
        ),
        queries=OperatedQueries(database_url=stack.database_url(OWNER)),
        secrets=InstalledProviders(),
    )


def _reached_at(stack: Stack) -> str | None:
    """Return the address at which the rehearsal's pod reaches a restored copy: this machine's, or, where ue runs in a pod, the pod's own."""
    in_pod = stack.settings.cluster is not None and stack.settings.cluster.service_account
    return os.environ.get(POD_ADDRESS) if in_pod else stack.reached_at


def _probe_token(stack: Stack) -> Callable[[], SecretStr] | None:
    """Return where the probes get a session token; None where they show none."""
    if reference := stack.settings.service.probe_token:
        return ProbeToken(reference)
    return None if stack.settings.elsewhere or stack.settings.service.plain else SyntheticMember(issuer_url=stack.issuer_url)
