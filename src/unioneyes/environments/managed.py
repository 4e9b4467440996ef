"""Databases that somebody else runs, as the environment's file names them, and the addresses by which libpq reaches them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from pydantic import Field, SecretStr, StringConstraints

from unioneyes.environments.setting_types import LOOPBACK, AbsolutePath, HostName, Port, Section, Text
from unioneyes.kernel.problems import Refused

DatabaseName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where Debian's, Red Hat's and Alpine's kin keep whom the machine trusts: told to libpq, for the OpenSSL that comes with it knows no machine's own place."""


class _Managed(Section):
    name: str
    host: HostName
    """Its name, as its certificate has it; or its address."""
    port: Port = 5432
    sslmode: Literal["verify-full", "verify-ca", "require", "disable"] = "verify-full"
    """As libpq has it; production takes nothing but `verify-full`, but for a proxy on this machine."""
    authority: AbsolutePath | None = None
    """PEM: who vouches for its certificate; whom this machine trusts when not given."""

    @property
    def place(self) -> str:
        """Where it is: `db.example.org:5432/unioneyes`."""
        return f"{self.host}:{self.port}/{self.name}"

    @property
    def verified(self) -> bool:
        """True where nobody between could read or change what goes there."""
        return self.sslmode == "verify-full" or self.host in LOOPBACK

    def url_of(self, database: str, *, role: str, password: SecretStr) -> SecretStr:
        """Return the address of one of its databases for `role`. Raises: NoAuthority."""
        parameters: dict[str, str] = {"sslmode": self.sslmode}
        if self.sslmode.startswith("verify-"):
            parameters["sslrootcert"] = str(self._authority())
        user, secret = quote(role, safe=""), quote(password.get_secret_value(), safe="")
        return SecretStr(f"postgresql://{user}:{secret}@{self.host}:{self.port}/{database}?{urlencode(parameters)}")

    def _authority(self) -> Path:
        if self.authority:
            return Path(self.authority).expanduser()
        places = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
        found = next((Path(place) for place in places if place and Path(place).is_file()), None)
        if found is None:
            raise NoAuthority(
                what=f"nothing on this machine says who may vouch for {self.host}", remedy="give authority, a PEM file; or install the package ca-certificates"
            )
        return found


class OperatedDatabaseSettings(_Managed):
    """`[database]`: the operated PostgreSQL, 15 or newer, where somebody else runs it. Without it, `ue env up` runs one on this machine.

    Its roles are called as on the embedded stack; `ue env roles` prints the SQL that makes them.
    """

    name: DatabaseName = "unioneyes"
    restore_role: Text | None = None
    """A superuser's name. Without it nothing is restored over the live database: a restore renames databases, and comes into one that is closed."""

    def url(self, *, role: str, password: SecretStr, database: str | None = None) -> SecretStr:
        """Return its address for `role`, or that of another database of the same server. Raises: NoAuthority."""
        return self.url_of(database or self.name, role=role, password=password)


class ControlDatabaseSettings(_Managed):
    """`[control.database]`: the engine's own PostgreSQL, 15 or newer: on another server than the operated one, which runbooks restore and failures end."""

    name: DatabaseName = "control"
    user: Annotated[Text, Field(max_length=63)] = "ue_control"
    """Who owns it."""

    def url(self, password: SecretStr) -> SecretStr:
        """Return its address. Raises: NoAuthority."""
        return self.url_of(self.name, role=self.user, password=password)


class NoAuthority(Refused):
    """Nothing says who may vouch for a database's certificate."""
