"""Where everything of one embedded stack stands."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from unioneyes.environments import SETTINGS
from unioneyes.kernel.problems import Refused

_SOCKETS_ROOT = Path("/tmp")  # noqa: S108 - a Unix socket's path has at most 107 bytes; the folder's owner and mode are checked
_PRIVATE = 0o700
_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of the stack whose data stands in `home`, an absolute path."""

    home: Path

    @property
    def marker(self) -> Path:
        """Says that the folder is ours: `reset` deletes no other."""
        return self.home / ".unioneyes"

    @property
    def settings(self) -> Path:
        """The person's own file."""
        return self.home / SETTINGS

    @property
    def ports(self) -> Path:
        """Which ports were chosen."""
        return self.home / "ports.json"

    @property
    def lock(self) -> Path:
        """Held by whoever starts, ends or resets the stack."""
        return self.home / "lifecycle.lock"

    @property
    def secrets(self) -> Path:
        """Passwords and tokens, one file each."""
        return self.home / "secrets"

    @property
    def postgres(self) -> Path:
        """One folder per PostgreSQL server."""
        return self.home / "postgres"

    @property
    def envoy(self) -> Path:
        """Envoy's configuration: the routes in it are the durable state of the traffic."""
        return self.home / "envoy"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.home / "logs"

    @property
    def vendors(self) -> Path:
        """What the vendors' simulators received, and the issuer's key."""
        return self.home / "vendors"

    @property
    def backups(self) -> Path:
        """Backups of the operated database."""
        return self.home / "backups"

    @property
    def bases(self) -> Path:
        """Base backups of the operated server."""
        return self.home / "recovery" / "bases"

    @property
    def wal(self) -> Path:
        """The log of the operated server, as it is received."""
        return self.home / "recovery" / "wal"

    @property
    def barman(self) -> Path:
        """What is written down of base backups in Barman's catalogue."""
        return self.home / "recovery" / "barman"

    @property
    def recovered(self) -> Path:
        """The files of scratch servers that were recovered."""
        return self.home / "recovery" / "scratch"

    @property
    def recovered_sockets(self) -> Path:
        """Their sockets."""
        return self.sockets / "r"

    @property
    def documents(self) -> Path:
        """Where `docs/incidents/` is written."""
        return self.home

    @property
    def audit(self) -> Path:
        """The audit log's checkpoints and its public key: what it is verified by, outside its database."""
        return self.home / "audit"

    @property
    def alarm(self) -> Path:
        """What people were told of the audit log's trouble. Not beside the checkpoints: those are moved away where a new log is begun."""
        return self.home / "audit-alarm.json"

    @property
    def break_glass(self) -> Path:
        """Journals of what was done without the control plane."""
        return self.home / "break-glass"

    @property
    def replicas(self) -> Path:
        """Which release each colour should run."""
        return self.home / "replicas.json"

    @property
    def revisions(self) -> Path:
        """Which releases served members, and with which configuration."""
        return self.home / "revisions.json"

    @property
    def sockets(self) -> Path:
        """Unix sockets and pid files: a short path of its own per user and home; gone when the stack is down."""
        return _SOCKETS_ROOT / f"ue-{os.getuid()}-{hashlib.sha256(bytes(self.home)).hexdigest()[:8]}"

    @property
    def envoy_admin(self) -> Path:
        """Envoy's administration socket."""
        return self.sockets / "envoy.sock"

    @property
    def scratch(self) -> Path:
        """Scratch servers of verified backups."""
        return self.sockets / "scratch"

    def claim_home(self, *, embedded: bool = True) -> None:
        """The home exists, is ours, and is closed to everybody else; `embedded`, where the whole stack stands in it. Raises: ForeignFolder."""
        if self.home.exists() and not self.marker.exists() and not _is_new(self.home):
            raise ForeignFolder(what=f"{self.home} holds files that are not of an embedded stack", remedy="name an empty or new folder with --home")
        self.home.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        require_own(self.home)
        self.marker.touch(mode=0o600)
        for folder in (self.secrets, self.backups, self.audit, *((self.logs, self.vendors, self.postgres, self.envoy) if embedded else ())):
            folder.mkdir(mode=_PRIVATE, exist_ok=True)

    def require_stack(self) -> None:
        """Return when the home is one of a stack, and ours. Raises: ForeignFolder."""
        if not self.marker.exists():
            raise ForeignFolder(
                what=f"{self.home} is not the folder of an embedded stack", remedy="name the right folder with --home; this one was left as it is"
            )
        require_own(self.home)

    def claim_sockets(self) -> None:
        """The sockets' folder exists, is ours, and is closed to everybody else. Raises: ForeignFolder."""
        for folder in (self.sockets, self.scratch):
            folder.mkdir(mode=_PRIVATE, exist_ok=True)
            require_own(folder)


def _is_new(home: Path) -> bool:
    """Return whether the folder holds at most the person's own file and our lock."""
    return {entry.name for entry in home.iterdir()} <= {SETTINGS, "lifecycle.lock"}


def require_own(folder: Path) -> None:
    """Return when `folder` is a folder of this user that nobody else can open; its mode is corrected. Raises: ForeignFolder."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise ForeignFolder(what=f"{folder} is not a folder", remedy=f"remove it: rm {folder}")
    if found.st_uid != os.getuid():
        raise ForeignFolder(
            what=f"{folder} belongs to user {found.st_uid}, not to you ({os.getuid()})", remedy="run ue as that user, or name another folder with --home"
        )
    if found.st_mode & _OTHERS:
        folder.chmod(_PRIVATE)


class ForeignFolder(Refused):
    """A folder that we would write to is not ours."""
