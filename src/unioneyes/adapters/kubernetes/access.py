"""How the API server is reached, and as whom: the service account of the pod that this runs in, else a kubeconfig. Nothing of it is written anywhere."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from unioneyes.kernel.files import in_memory
from unioneyes.kernel.problems import Refused

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts the pod's own token and its authority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """An API server, and what to show it."""

    server: str
    context: ssl.SSLContext
    token: SecretStr | None
    in_pod: bool = False
    """True where it is the service account of the pod that this runs in."""


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=lambda name: name.replace("_", "-"))


class _Cluster(_Read):
    server: Annotated[str, Field(pattern=r"^https://")]
    """Never in clear text."""
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None


class _User(_Read):
    token: SecretStr | None = None
    token_file: Annotated[str | None, Field(alias="tokenFile")] = None
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: SecretStr | None = None


class _Chosen(_Read):
    cluster: str
    user: str


class _Named(_Read):
    name: str
    cluster: _Cluster | None = None
    user: _User | None = None
    context: _Chosen | None = None


class _Config(_Read):
    current_context: str
    clusters: tuple[_Named, ...]
    users: tuple[_Named, ...]
    contexts: tuple[_Named, ...]


_CONFIG = TypeAdapter(_Config)


def find_access(
    variables: Mapping[str, str] = os.environ, *, mounted: Path = SERVICE_ACCOUNT, kubeconfig: Path | None = None, context: str | None = None
) -> Access:
    """Return the way to the API server: of `kubeconfig`; else of the pod's service account; else of the file that KUBECONFIG names, else of `~/.kube/config`.

    `context` is the one of the file to take; without it, its current one. The token is read anew each time: the kubelet renews it. Raises: NoAccess.
    """
    host = variables.get("KUBERNETES_SERVICE_HOST")
    try:
        if host and mounted.is_dir() and kubeconfig is None and context is None:
            server = f"https://{f'[{host}]' if ':' in host else host}:{variables.get('KUBERNETES_SERVICE_PORT', '443')}"
            token = SecretStr((mounted / "token").read_text().strip())
            return Access(server=server, context=trusting(mounted / "ca.crt"), token=token, in_pod=True)
        return _of_file((kubeconfig or Path(variables.get("KUBECONFIG") or "~/.kube/config")).expanduser(), context)
    except (OSError, ssl.SSLError, binascii.Error, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else type(error).__name__
        where = getattr(error, "filename", None) or "what it names"
        raise NoAccess(what=f"no way to a Kubernetes API server is found: {where}: {said}", remedy=_REMEDY) from None


def _of_file(path: Path, named: str | None) -> Access:
    try:
        read = _CONFIG.validate_python(yaml.safe_load(path.read_text()))
        wanted = named or read.current_context
        if named is not None and named not in {each.name for each in read.contexts}:
            there = ", ".join(each.name for each in read.contexts) or "none"
            raise NoAccess(what=f"{path} has no context {named!r}; it has: {there}", remedy="correct the environment's context")
        chosen = next(each.context for each in read.contexts if each.name == wanted and each.context)
        cluster = next(each.cluster for each in read.clusters if each.name == chosen.cluster and each.cluster)
        user = next(each.user for each in read.users if each.name == chosen.user and each.user)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False, include_input=False))
        raise NoAccess(what=f"{path} can't be used: {wrong}", remedy=_REMEDY) from None
    except (yaml.YAMLError, StopIteration):
        raise NoAccess(what=f"{path} is no kubeconfig, or its current context names what is not in it", remedy=_REMEDY) from None
    folder = path.parent
    context = trusting(_place(folder, cluster.certificate_authority), cluster.certificate_authority_data)
    if user.client_certificate_data or user.client_certificate:
        key = user.client_key_data
        with (
            _file(folder, user.client_certificate, user.client_certificate_data) as certificate,
            _file(folder, user.client_key, key.get_secret_value() if key else None) as private,
        ):
            context.load_cert_chain(certificate, private, password=lambda: "")
        return Access(server=cluster.server, context=context, token=None)
    token = user.token or (SecretStr((folder / user.token_file).read_text().strip()) if user.token_file else None)
    if token is None:
        raise NoAccess(what=f"{path} names for its current context neither a token nor a client certificate", remedy=_REMEDY)
    return Access(server=cluster.server, context=context, token=token)


class Trust(ssl.SSLContext):
    """Tells the server from another one, for many threads at once.

    httpcore sets the protocols of its context anew for each connection, and OpenSSL frees the ones before while another thread's handshake reads them: the
    process crashes. Here they are set once. Source: https://github.com/python/cpython/issues/141012.
    """

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """They are those of the first call."""
        if not getattr(self, "_protocols_are_set", False):
            self._protocols_are_set = True
            super().set_alpn_protocols(alpn_protocols)


def trusting(file: Path | None = None, data: str | None = None) -> ssl.SSLContext:
    """Return what tells the server from another one: by this authority alone (a file, or PEM in base64), or by those that the machine trusts."""
    context = Trust(ssl.PROTOCOL_TLS_CLIENT)  # which verifies, names too
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if file is None and data is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=file, cadata=base64.b64decode(data, validate=True).decode() if data else None)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _place(folder: Path, named: str | None) -> Path | None:
    return folder / named if named else None


def _file(folder: Path, named: str | None, data: str | None) -> AbstractContextManager[Path]:
    """Return a file for the length of a `with` block: data in memory alone, for ssl reads files only."""
    return in_memory(base64.b64decode(data, validate=True) if data else (folder / (named or "")).read_bytes())


_REMEDY = "run in a pod with a service account; or let KUBECONFIG name a file with a token or a client certificate (`exec` is not supported)"


class NoAccess(Refused):
    """Nothing says how Kubernetes is reached."""
