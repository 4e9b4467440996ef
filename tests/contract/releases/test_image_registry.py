"""The digest of an image, asked of a registry as the OCI Distribution Specification has it. The real one is asked in tests/kubernetes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from unioneyes.adapters.oci import ImageReleases, Repository, TaggedReleases
from unioneyes.adapters.oci.repository import ImageMissing, RegistryRefuses, RegistryUnavailable
from unioneyes.claims.releases import Catalogue
from unioneyes.ports.releases import UnknownVersion

MANIFEST = b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
KIND = "application/vnd.oci.image.manifest.v1+json"
BASIC = "Basic " + base64.b64encode(b"robot:swordfish").decode()


class Registry(BaseHTTPRequestHandler):
    """Checks what it is asked, and has one image."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        server = f"http://{self.headers['Host']}"
        if asked.path == "/token":
            known = parse_qs(asked.query) == {"service": ["registry"], "scope": ["repository:bearer/service:pull"]} and self.headers["Authorization"] == BASIC
            self.say(200 if known else 401, b'{"token": "let-in"}' if known else b"{}", {})
        elif asked.path.startswith("/v2/basic/") and self.headers["Authorization"] != BASIC:
            self.say(401, b"", {"WWW-Authenticate": 'Basic realm="registry"'})
        elif asked.path.startswith("/v2/bearer/") and self.headers["Authorization"] != "Bearer let-in":
            challenge = f'Bearer realm="{server}/token",service="registry",scope="repository:bearer/service:pull"'
            self.say(401, b"", {"WWW-Authenticate": challenge})
        elif asked.path.endswith("/service/manifests/1.0.0") and KIND in self.headers["Accept"]:
            lies = asked.path.startswith("/v2/liar/")
            self.say(200, MANIFEST, {"Content-Type": KIND, "Docker-Content-Digest": "sha256:" + "0" * 64 if lies else DIGEST})
        elif asked.path == "/v2/service/tags/list":
            last = parse_qs(asked.query).get("last", [""])[0]
            page, link = (
                (["1.10.0", "latest"], {"Link": '</v2/service/tags/list?n=200&last=latest>; rel="next"'}) if not last else (["1.9.0", "1.10.0-rc1"], {})
            )
            self.say(200, json.dumps({"name": "service", "tags": page}).encode(), link)
        elif asked.path == "/v2/page/manifests/1.0.0":
            self.say(200, b"<html>", {"Content-Type": "text/html"})
        elif asked.path == "/v2/broken/manifests/1.0.0":
            self.say(500, b"", {})
        else:
            self.say(404, b"", {})

    def say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with registry() as address:
        yield address


def repository(address: str, path: str, credentials: str | None = None) -> Repository:
    return Repository(name=f"{address}/{path}", plain=True, credentials=SecretStr(credentials) if credentials else None)


@pytest.mark.parametrize(("path", "credentials"), [("open/service", None), ("basic/service", "robot:swordfish"), ("bearer/service", "robot:swordfish")])
def test_an_image_is_known_by_what_its_manifest_is(address: str, path: str, credentials: str | None) -> None:
    assert repository(address, path, credentials).digest("1.0.0") == DIGEST


@pytest.mark.parametrize("path", ["basic/service", "bearer/service"])
@pytest.mark.parametrize("credentials", [None, "robot:wrong"])
def test_who_is_not_known_is_told_where_credentials_stand(address: str, path: str, credentials: str | None) -> None:
    with pytest.raises(RegistryRefuses, match="nobody who asks like this") as refused:
        repository(address, path, credentials).digest("1.0.0")

    assert "registry_credentials" in refused.value.remedy
    assert "wrong" not in str(refused.value)


def test_an_image_that_is_not_there_is_named_with_what_pushes_it(address: str) -> None:
    with pytest.raises(ImageMissing, match=r"open/service:9\.9\.9") as missing:
        repository(address, "open/service").digest("9.9.9")

    assert "make image" in missing.value.remedy


@pytest.mark.parametrize("path", ["broken", "page", "liar/service"])
def test_what_is_no_manifest_or_another_one_than_it_says_is_believed_by_nobody(address: str, path: str) -> None:
    with pytest.raises(RegistryUnavailable):
        repository(address, path).digest("1.0.0")


def test_a_registry_that_is_away_is_named() -> None:
    with registry() as address:
        pass

    with pytest.raises(RegistryUnavailable, match="does not answer"):
        repository(address, "open/service").digest("1.0.0")


def test_a_release_is_its_image_by_digest(address: str) -> None:
    releases = ImageReleases(Catalogue(), repository(address, "open/service"))

    assert releases.image("1.0.0") == f"{address}/open/service@{DIGEST}"
    assert (releases.get("1.0.0"), releases.all()) == (Catalogue().get("1.0.0"), Catalogue().all())
    with pytest.raises(UnknownVersion):
        releases.digest("no-such-release")
    with pytest.raises(ImageMissing):
        releases.digest("1.1.0")


def test_each_tag_that_is_a_version_is_a_release_and_the_numbers_order_them() -> None:
    with registry() as there:
        releases = TaggedReleases(Repository(name=f"{there}/service", plain=True))
        assert [release.version for release in releases.all()] == ["1.9.0", "1.10.0-rc1", "1.10.0"]
        assert releases.get("1.9.0").migration is None
        with pytest.raises(UnknownVersion, match="there is no release 'latest'") as unknown:
            releases.get("latest")
    assert unknown.value.remedy == "one of: 1.9.0, 1.10.0-rc1, 1.10.0"


def test_a_repository_to_which_nothing_was_pushed_has_no_releases() -> None:
    with registry() as there:
        assert TaggedReleases(Repository(name=f"{there}/nobody/pushed", plain=True)).all() == ()
