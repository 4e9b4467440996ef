"""Composition: which adapters stand behind the ports, per environment. The one place that knows.

Importing this is cheap: the command line asks where a server is without building one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from unioneyes.kernel.problems import NotFound, Refused

if TYPE_CHECKING:
    from unioneyes.environments.listening import ControlAddress
    from unioneyes.environments.model import AuditEvidence, DirectEnvironment, OpenedEnvironment
    from unioneyes.environments.settings import ClusterSettings

LOCAL, CLUSTER_TEST = "local", "cluster-test"
ENVIRONMENTS = (LOCAL, CLUSTER_TEST)
"""Those that need no file: the embedded stack; and the same with the service on a Kubernetes that this machine runs."""
SETTINGS = "environment.toml"
"""The file that makes an environment of a folder; `name` in it says which."""
_KNOWN = f"one of: {', '.join(ENVIRONMENTS)}; or one whose folder, named with --home or in the state folder, has an {SETTINGS}"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


def home_of(name: str, home: Path | None = None) -> Path:
    """Return the folder that holds the environment: `home` when given, else the one of its name in the user's state folder.

    Raises: UnknownEnvironment, where there is none of that name, or where the folder is another one's.
    """
    if not _NAME.fullmatch(name):
        raise UnknownEnvironment(what=f"{name!r} is no name of an environment", remedy=_KNOWN)
    folder = home.expanduser().resolve() if home is not None else _folders() / name
    file = folder / SETTINGS
    if name not in ENVIRONMENTS and not file.exists():
        raise UnknownEnvironment(what=f"there is no environment called {name!r}", remedy=_KNOWN)
    if (said := _name_in(file)) != name and not (said is None and name in ENVIRONMENTS):
        raise UnknownEnvironment(
            what=f"{file} is of the environment {said or LOCAL!r}, not of {name!r}", remedy=f'--env {said or LOCAL}; or name = "{name}" in it'
        )
    return folder


def _folders() -> Path:
    state = os.environ.get("XDG_STATE_HOME", "")
    return ((Path(state) if state else Path.home() / ".local" / "state") / "unioneyes").resolve()


def _name_in(file: Path) -> str | None:
    """Return what the file says that it is called; None where it does not say so, or where it can't be read: then whoever reads it whole says why."""
    import tomllib  # noqa: PLC0415 - most commands find no file

    try:
        said = tomllib.loads(file.read_text()).get("name")
    except (OSError, ValueError):
        return None
    return said if isinstance(said, str) else None


class Added(NamedTuple):
    """An environment that is one of this user's."""

    name: str
    home: Path
    chosen: str
    """What was chosen, or could not be, where its file leaves it open; empty when nothing was."""


def add_environment(file: Path, home: Path | None = None) -> Added:
    """The environment that `file` says is one of this user's, in `home` where that is given. Its data there stays.

    Where the file does not say what leads members on its cluster, that is asked what it knows.
    Raises: SettingsRefused, UnknownEnvironment where the folder is another one's, ForeignFolder, NotWritten.
    """
    from unioneyes.environments.leading import choose_traffic  # noqa: PLC0415 - the same
    from unioneyes.environments.local.layout import Layout  # noqa: PLC0415 - `ue --help` pays nothing for it
    from unioneyes.environments.settings import read_given, read_settings  # noqa: PLC0415 - the same
    from unioneyes.kernel.files import replace_file  # noqa: PLC0415 - the same

    name, given = read_given(file)
    folder = home.expanduser().resolve() if home is not None else _folders() / name
    if (folder / SETTINGS).exists():
        home_of(name, folder)
    text, chosen = choose_traffic(file, given, read_settings(file), knows=_knows_gateway_api)
    try:
        Layout(folder).claim_home(embedded=False)
        replace_file(folder / SETTINGS, text)
    except OSError as error:
        raise NotWritten(what=f"{folder} can't be written to: {error.strerror}", remedy="name another folder with --home") from None
    return Added(name, folder, chosen)


def _knows_gateway_api(cluster: ClusterSettings) -> bool:
    from unioneyes.environments.local.examine_cluster import knows_gateway_api  # noqa: PLC0415 - what talks to clusters is an extra

    return knows_gateway_api(cluster)


def locate(name: str, home: Path | None = None) -> ControlAddress:
    """Return where the environment's server listens, and the token that opens it. Builds nothing.

    Raises: UnknownEnvironment, NeverStarted, NotYours, SettingsRefused.
    """
    folder = home_of(name, home)
    from unioneyes.environments.local.address import control_address  # noqa: PLC0415 - `ue --help` pays nothing for it

    return control_address(folder)


def own_runbooks(name: str, home: Path | None = None) -> Path:
    """Return the folder of the project's own runbooks, as the environment's file names it; it need not be there. Starts nothing.

    Raises: UnknownEnvironment, SettingsRefused.
    """
    folder = home_of(name, home)
    from unioneyes.environments.folders import runbooks_folder  # noqa: PLC0415 - `ue --help` pays nothing for it
    from unioneyes.environments.settings import read_settings  # noqa: PLC0415 - the same

    return runbooks_folder(read_settings(folder / SETTINGS))


def open_environment(name: str, home: Path | None = None) -> OpenedEnvironment:
    """Return the environment with all its adapters built; nothing is started.

    Raises: UnknownEnvironment, NeverStarted, SettingsRefused.
    """
    folder = home_of(name, home)
    from unioneyes.environments.local.compose import compose  # noqa: PLC0415 - imports every adapter

    return compose(folder)


def migrate_control(name: str, home: Path | None = None) -> str:
    """The engine's own database has the tables of this release, and no server was started; return the newest migration's number. Safe to repeat.

    Raises: UnknownEnvironment, NeverStarted, SettingsRefused, SecretUnresolved, ControlDatabaseUnavailable, MigrationFailed.
    """
    folder = home_of(name, home)
    from unioneyes.environments.local.stack import open_stack  # noqa: PLC0415 - imports adapters
    from unioneyes.runbook.migrating import migrate_all  # noqa: PLC0415 - imports the engine

    return migrate_all(open_stack(folder).control_database_url)


def role_statements(name: str, home: Path | None = None) -> str:
    """Return the SQL, as psql reads it, that makes the operated database and its roles where somebody else runs the server.

    Raises: UnknownEnvironment, SettingsRefused.
    """
    folder = home_of(name, home)
    from unioneyes.adapters.postgres.statements_of_roles import role_statements as written  # noqa: PLC0415 - imports an adapter
    from unioneyes.environments.settings import read_settings  # noqa: PLC0415 - the same

    database = read_settings(folder / SETTINGS).database
    return written(database.name) if database else written()


def open_directly(name: str, home: Path | None = None) -> DirectEnvironment:
    """Return the environment as it is operated without its server and without the engine's database; nothing is started, and neither is asked.

    Raises: UnknownEnvironment, NeverStarted, NotYours, SettingsRefused.
    """
    folder = home_of(name, home)
    from unioneyes.environments.local.compose import compose_directly  # noqa: PLC0415 - imports every adapter

    return compose_directly(folder)


def audit_key(name: str, home: Path | None = None) -> str:
    """Return the public key of the environment's audit log, as text. Asks nobody. Raises: UnknownEnvironment, NeverStarted, NotYours."""
    folder = home_of(name, home)
    from unioneyes.environments.local.audit import public_key  # noqa: PLC0415 - imports an adapter

    return public_key(folder)


def audit_evidence(name: str, home: Path | None = None) -> AuditEvidence:
    """Return what the environment's audit log is verified by. Asks no server of ours, but the object store, where there is one.

    Raises: UnknownEnvironment, NeverStarted, NotYours, SettingsRefused, WitnessUnavailable, WitnessChanged.
    """
    folder = home_of(name, home)
    from unioneyes.environments.local.audit import evidence  # noqa: PLC0415 - imports an adapter

    return evidence(folder)


def kept_checkpoints(place: str) -> tuple[str, ...]:
    """Return the checkpoints that a witness keeps at `s3://BUCKET/PREFIX`, or in a file, or that were copied from one.

    Raises: WitnessUnavailable, WitnessChanged, MalformedAddress, StoreMisconfigured, PackageMissing.
    """
    if place.startswith("s3:"):
        from unioneyes.environments.remote_witness import checkpoints_at  # noqa: PLC0415 - as above

        return checkpoints_at(place)
    from unioneyes.adapters.files import CheckpointFile  # noqa: PLC0415 - as above

    return CheckpointFile(Path(place)).all()


class NotWritten(Refused):
    """The folder of an environment can't be made."""


class UnknownEnvironment(NotFound):
    """No environment has this name."""
