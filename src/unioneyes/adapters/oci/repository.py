"""One repository of an image registry. Source: OCI Distribution Specification 1.1, "Pulling manifests"; Docker's token authentication."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from unioneyes.kernel.problems import NotAuthorised, Unavailable
from unioneyes.ports.releases import UnknownVersion

TIME_LIMIT = timedelta(seconds=10)
_KINDS = ("oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.list.v2", "docker.distribution.manifest.v2")
_ACCEPTED = ", ".join(f"application/vnd.{kind}+json" for kind in _KINDS)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PAGE, _MOST_TAGS = 200, 5_000
"""Tags in one answer, and in all: what is older than so many is deployed by nobody."""
_LONGEST = 4 << 20
"""Bytes of a manifest that a registry has to take. Source: the specification, "Pushing manifests"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """`REGISTRY/NAME`, as image references have it."""

    name: str
    plain: bool = False
    """Whether the registry is asked over HTTP."""
    credentials: SecretStr | None = None
    """NAME:PASSWORD, read when the registry asks for it."""
    time_limit: timedelta = TIME_LIMIT

    def digest(self, tag: str) -> str:
        """Return the digest of the image that has the tag now, `sha256:...`. Raises: ImageMissing, RegistryUnavailable, RegistryRefuses."""
        answer = self._get(f"manifests/{tag}")
        if answer is None:
            raise ImageMissing(what=f"there is no image {self.name}:{tag}", remedy=f"push it: make image PUSH={self.name}")
        return self._digest(answer, tag)

    def tags(self) -> tuple[str, ...]:
        """Return every tag of the repository; none where nothing was pushed. Raises: RegistryUnavailable, RegistryRefuses."""
        found: list[str] = []
        asked: str | None = f"tags/list?n={_PAGE}"
        while asked and len(found) < _MOST_TAGS:
            answer = self._get(asked)
            page = _tags(answer) if answer else []
            found += page
            asked = f"tags/list?n={_PAGE}&last={quote(page[-1], safe='')}" if answer and page and "next" in answer.links else None
        return tuple(found)

    def _get(self, what: str) -> httpx.Response | None:
        """Return the answer; None where there is no such thing. Raises: RegistryUnavailable, RegistryRefuses."""
        registry, _, path = self.name.partition("/")
        where = f"{'http' if self.plain else 'https'}://{registry}/v2/{path}/{what}"
        try:
            with httpx.Client(headers={"Accept": _ACCEPTED}, timeout=self.time_limit.total_seconds(), trust_env=False) as client:
                answer = self._ask(client, where)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(
                what=f"the registry {registry} does not answer ({type(error).__name__})", remedy="see that it runs and can be reached from here"
            ) from None
        match answer.status_code:
            case HTTPStatus.OK:
                return answer
            case HTTPStatus.NOT_FOUND:
                return None
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                raise RegistryRefuses(
                    what=f"the registry {registry} shows {path} to nobody who asks like this", remedy="correct [cluster] registry_credentials (NAME:PASSWORD)"
                )
            case status:
                raise RegistryUnavailable(what=f"the registry {registry} answers {status} for {path}: {what}", remedy="try again")

    def _ask(self, client: httpx.Client, where: str) -> httpx.Response:
        answer = client.get(where)
        if answer.status_code != HTTPStatus.UNAUTHORIZED:
            return answer
        given = self.credentials.get_secret_value().partition(":") if self.credentials else None
        basic = httpx.BasicAuth(given[0], given[2]) if given else None
        scheme, _, challenge = answer.headers.get("www-authenticate", "").partition(" ")
        asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if scheme.lower() == "bearer" and asked.get("realm", "").startswith(("http://" if self.plain else "https://", "https://")):
            token = client.get(
                asked["realm"], params={name: asked[name] for name in ("service", "scope") if name in asked}, auth=basic or httpx.USE_CLIENT_DEFAULT
            )
            if token.is_success and (bearer := _token(token)):
                return client.get(where, headers={"Authorization": f"Bearer {bearer}"})
        elif basic:
            return client.get(where, auth=basic)
        return answer

    def _digest(self, answer: httpx.Response, tag: str) -> str:
        """Return the digest of what was answered: what it is, and not only what the registry says that it is."""
        if len(answer.content) <= _LONGEST and answer.headers.get("content-type", "").partition(";")[0] in _ACCEPTED:
            digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
            said = answer.headers.get("docker-content-digest", digest)
            if said == digest or not _DIGEST.fullmatch(said):  # another algorithm's is not compared
                return digest
        raise RegistryUnavailable(
            what=f"what answers for {self.name}:{tag} gives no image's manifest, or another one than it says", remedy="see what stands there"
        )


def _token(answer: httpx.Response) -> str | None:
    try:
        said = answer.json()
    except ValueError:
        return None
    token = (said.get("token") or said.get("access_token")) if isinstance(said, dict) else None
    return token if isinstance(token, str) else None


def _tags(answer: httpx.Response) -> list[str]:
    try:
        said = answer.json()
    except ValueError:
        return []
    tags = said.get("tags") if isinstance(said, dict) else None
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


class ImageMissing(UnknownVersion):
    """The registry has no such image."""


class RegistryUnavailable(Unavailable):
    """The registry gives no answer that can be used."""


class RegistryRefuses(NotAuthorised):
    """The registry does not let us in."""
