"""Where the server listens, as the environment's file says, and by which certificate it is known."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from tests.certificates import Authority
from unioneyes.environments.connecting import NoAuthorities, _trusted, connected
from unioneyes.environments.listening import (
    AtSocket,
    Certificate,
    CertificateUnusable,
    ControlAddress,
    KeyExposed,
    OnAddress,
    listening,
    require_usable,
    server_context,
)
from unioneyes.environments.settings import ControlSettings, SettingsRefused, read_settings

TOKEN = SecretStr("ue_of-this-test")


def settled(tmp_path: Path, text: str) -> ControlSettings:
    file = tmp_path / "environment.toml"
    file.write_text(f"[control]\n{text}\n")
    return read_settings(file).control


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def test_without_settings_it_is_plain_http_on_loopback(tmp_path: Path) -> None:
    at = listening(settled(tmp_path, ""), 8180)
    assert at == OnAddress(host="127.0.0.1", port=8180)
    assert (at.url, at.address(TOKEN)) == ("http://127.0.0.1:8180", ControlAddress(url="http://127.0.0.1:8180", token=TOKEN))


@pytest.mark.parametrize(
    ("text", "url", "local", "names"),
    [
        ('host = "::1"', "http://[::1]:8180", "http://[::1]:8180", {"[::1]"}),
        ('host = "127.0.0.2"', "http://127.0.0.2:8180", "http://127.0.0.2:8180", {"127.0.0.2"}),
        ('host = "0.0.0.0"\ntls_certificate = "/c"\ntls_key = "/k"', "https://127.0.0.1:8180", "https://127.0.0.1:8180", {"127.0.0.1"}),
        (
            'host = "::"\nname = "ops.example"\ntls_certificate = "/c"\ntls_key = "/k"',
            "https://ops.example:8180",
            "https://[::1]:8180",
            {"[::1]", "ops.example"},
        ),
        ('socket = "/run/ue.sock"', "http+unix:///run/ue.sock", "http+unix:///run/ue.sock", set()),
        ('socket = "/run/ue.sock"\nname = "ops.example"', "http+unix:///run/ue.sock", "http+unix:///run/ue.sock", {"ops.example"}),
    ],
)
def test_people_reach_it_by_its_name_and_programs_here_by_its_address(tmp_path: Path, text: str, url: str, local: str, names: set[str]) -> None:
    at = listening(settled(tmp_path, text), 8180)
    assert (at.url, at.address(TOKEN).url) == (url, local)
    assert at.names == names


def test_a_home_folder_may_be_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ops")
    assert listening(settled(tmp_path, 'socket = "~/ue.sock"\nsocket_group = "ops"'), 8180) == AtSocket(path=Path("/home/ops/ue.sock"), group="ops")
    at = listening(settled(tmp_path, 'tls_certificate = "~/c"\ntls_key = "~/k"'), 8180)
    assert isinstance(at, OnAddress)
    assert at.certificate == Certificate(chain=Path("/home/ops/c"), key=Path("/home/ops/k"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "169.254.0.1", "::ffff:192.0.2.1"])  # noqa: S104 - what is refused
def test_no_address_that_other_machines_reach_is_served_in_clear_text(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsRefused, match="tokens would go there in clear text: give tls_certificate and tls_key"):
        settled(tmp_path, f'host = "{host}"')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('tls_key = "/k"', "tls_certificate and tls_key go together"),
        ('tls_certificate = "/c"', "tls_certificate and tls_key go together"),
        ('socket = "/run/ue.sock"\nport = 8180', "a server at a socket listens on no address"),
        ('socket = "/run/ue.sock"\ntls_certificate = "/c"\ntls_key = "/k"', "a server at a socket listens on no address"),
        ('socket_group = "ops"', "socket_group goes with socket"),
        ('host = "localhost"', "'localhost' does not appear to be an IPv4 or IPv6 address"),
        ('socket = "ue.sock"', "control.socket: String should match pattern"),
        ('name = "https://ops"', "control.name: String should match pattern"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        settled(tmp_path, text)
    assert said in refused.value.what


def test_a_certificate_with_its_key_is_served(authority: Authority) -> None:
    issued = authority.issue("ops.example.org")
    context = server_context(Certificate(chain=issued.certificate, key=issued.key))
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o666, 0o700])
def test_a_key_that_others_may_have_read_or_changed_is_refused(authority: Authority, mode: int) -> None:
    issued = authority.issue("ops.example.org")
    issued.key.chmod(mode)
    with pytest.raises(KeyExposed, match=f"mode is {mode:04o}") as refused:
        server_context(Certificate(chain=issued.certificate, key=issued.key))
    assert refused.value.remedy.startswith(f"chmod 0600 {issued.key}")


def test_what_can_t_be_used_is_told_before_anything_is_started(authority: Authority, tmp_path: Path) -> None:
    one, other = authority.issue("one.example.org"), authority.issue("other.example.org")
    with pytest.raises(CertificateUnusable, match="KEY_VALUES_MISMATCH"):
        require_usable(settled(tmp_path, f'tls_certificate = "{one.certificate}"\ntls_key = "{other.key}"'))
    with pytest.raises(CertificateUnusable, match=r"gone\.key can't be read: No such file"):
        require_usable(settled(tmp_path, f'tls_certificate = "{one.certificate}"\ntls_key = "{tmp_path}/gone.key"'))
    one.certificate.write_text("no PEM")
    with pytest.raises(CertificateUnusable, match="can't be used"):
        require_usable(settled(tmp_path, f'tls_certificate = "{one.certificate}"\ntls_key = "{one.key}"'))


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(authority: Authority) -> None:
    issued = authority.issue("ops.example.org", password=b"hidden")
    with pytest.raises(CertificateUnusable):
        server_context(Certificate(chain=issued.certificate, key=issued.key))


def shaken(server: Certificate, client: ssl.SSLContext) -> None:
    """Client and server shake hands, in memory. Raises: ssl.SSLCertVerificationError."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    speaks = server_context(server).wrap_bio(there, back, server_side=True)
    asks = client.wrap_bio(back, there, server_hostname="127.0.0.1")
    for side in (asks, speaks, asks, speaks):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def pinned(chain: Path) -> ssl.SSLContext:
    return _trusted(ControlAddress(url="https://127.0.0.1:1", token=TOKEN, certificate=chain))


def test_the_home_s_own_certificate_is_known_by_itself_and_no_other_one_is(authority: Authority, tmp_path: Path) -> None:
    own, other = authority.issue("ops.example.org"), authority.issue("127.0.0.1")
    shaken(Certificate(chain=own.certificate, key=own.key), pinned(own.certificate))
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(Certificate(chain=other.certificate, key=other.key), pinned(own.certificate))
    (tmp_path / "later").mkdir()
    renewed = Authority(tmp_path / "later", "authority").issue("ops.example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(Certificate(chain=renewed.certificate, key=renewed.key), pinned(own.certificate))


def test_a_certificate_that_has_ended_is_not_trusted_even_at_home(authority: Authority) -> None:
    ended = authority.issue("ops.example.org", lasts=timedelta(days=-1))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        shaken(Certificate(chain=ended.certificate, key=ended.key), pinned(ended.certificate))


@pytest.mark.parametrize("content", [None, b"", b"no PEM", b"\xff\xfe"])
def test_authorities_that_are_none_are_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_bytes(content)
    for address in (
        ControlAddress(url="https://ops.example.org", token=TOKEN, authorities=file),
        ControlAddress(url="https://ops.example.org", token=TOKEN, certificate=file),
    ):
        with pytest.raises(NoAuthorities, match=r"authorities\.pem says nothing of whom to trust"):
            connected(address, timeout=httpx.Timeout(1))
