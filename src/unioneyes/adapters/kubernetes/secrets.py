"""Secrets of a Kubernetes cluster, out of its API. Implements `ports.secrets.SecretProvider`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

import httpx
from pydantic import SecretStr, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from unioneyes.adapters.kubernetes.access import Access, find_access
from unioneyes.ports.secrets import ProviderUnavailable, SecretReference, SecretUnresolved

TIME_LIMIT = timedelta(seconds=5)
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""Of a namespace or an object. Source: RFC 1123, as Kubernetes' documentation has it ("Object Names and IDs")."""


class _Secret(TypedDict, total=False):
    data: dict[str, str]


_SECRET = TypeAdapter(_Secret)


class KubernetesSecrets:
    """`secret://kubernetes/NAMESPACE/NAME#KEY` is a key of a Secret. Who asks needs `get` on that one alone."""

    def __init__(self, access: Callable[[], Access] = find_access, *, time_limit: timedelta = TIME_LIMIT) -> None:
        """Reach the API server as `access` says."""
        self._access = access
        self._limit = time_limit.total_seconds()

    def resolve(self, reference: SecretReference) -> SecretStr:
        """Return what stands under the key. See the port; Raises too: NoAccess."""
        namespace, _, name = reference.path.partition("/")
        if not (_NAME.fullmatch(namespace) and _NAME.fullmatch(name) and reference.key):
            raise SecretUnresolved(what=f"{reference} names no Secret of Kubernetes", remedy="write it as secret://kubernetes/NAMESPACE/NAME#KEY")
        answer = self._get(reference, f"/api/v1/namespaces/{namespace}/secrets/{name}")
        match answer.status_code:
            case HTTPStatus.OK:
                return _value(reference, answer, reference.key)
            case HTTPStatus.NOT_FOUND:
                raise SecretUnresolved(
                    what=f"{reference}: there is no Secret {name!r} in the namespace {namespace!r}", remedy="correct the reference, or make it"
                )
            case HTTPStatus.UNAUTHORIZED:
                raise SecretUnresolved(what=f"{reference}: the API server does not know who asks", remedy="renew the token or the certificate of KUBECONFIG")
            case HTTPStatus.FORBIDDEN:
                role = f"kubectl -n {namespace} create role read-{name} --verb=get --resource=secrets --resource-name={name}"
                raise SecretUnresolved(what=f"{reference}: who asks may not read it", remedy=f"{role}, and bind it to the service account")
            case status:
                raise ProviderUnavailable(what=f"{reference}: the API server answers {status}", remedy="try again; kubectl get --raw /readyz says how it is")

    def _get(self, reference: SecretReference, path: str) -> httpx.Response:
        access = self._access()
        headers = {"Accept": "application/json", **({"Authorization": f"Bearer {access.token.get_secret_value()}"} if access.token else {})}
        try:
            with httpx.Client(base_url=access.server, verify=access.context, headers=headers, timeout=self._limit, trust_env=False) as client:
                return client.get(path)
        except httpx.TransportError as error:
            raise ProviderUnavailable(
                what=f"{reference}: the API server at {access.server} does not answer ({type(error).__name__})",
                remedy="see that it runs and can be reached from here",
            ) from None


def _value(reference: SecretReference, answer: httpx.Response, key: str) -> SecretStr:
    try:
        data = _SECRET.validate_json(answer.content).get("data", {})
        if key not in data:
            raise SecretUnresolved(
                what=f"{reference}: the Secret has no key {key!r}; it has: {', '.join(sorted(data)) or 'none'}", remedy="correct what stands behind '#'"
            )
        return SecretStr(base64.b64decode(data[key], validate=True).decode())
    except (ValidationError, binascii.Error, UnicodeDecodeError):
        raise SecretUnresolved(what=f"{reference}: what is kept there is no text in UTF-8", remedy="keep the secret there as text") from None
