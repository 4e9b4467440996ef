"""`ue serve` with TLS, and the command line that reaches it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.certificates import Authority
from tests.contract.console.conftest import Alone
from tests.stack import eventually
from unioneyes.adapters.processes.readiness import is_ready
from unioneyes.adapters.processes.spec import TcpHttp
from unioneyes.kernel.problems import ExitCode

pytestmark = pytest.mark.stack

NAME = "ops.example.org"


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    yield Authority(folder, "authority")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def port(alone: Alone) -> int:
    return alone.stack.ports.control


@pytest.fixture(scope="module")
def server(alone: Alone, authority: Authority, port: int) -> Iterator[str]:
    issued = authority.issue(NAME, "127.0.0.1")
    settings = f'[control]\nhost = "0.0.0.0"\nname = "{NAME}"\ntls_certificate = "{issued.certificate}"\ntls_key = "{issued.key}"\n'
    with alone.serving(settings):
        yield f"https://127.0.0.1:{port}"


@pytest.fixture
def client(server: str, authority: Authority) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, verify=ssl.create_default_context(cafile=authority.file), timeout=60, trust_env=False) as client:
        yield client


@pytest.mark.usefixtures("server")
def test_the_command_line_knows_the_home_s_own_certificate_whatever_it_is_called(alone: Alone) -> None:
    said = alone.ue("whoami", "-o", "json")
    assert said.code == ExitCode.DONE, said.err
    assert said.json()["roles"] == ["operator", "auditor", "admin"]


def test_by_its_address_the_server_is_whom_a_named_authority_vouches_for(alone: Alone, server: str, authority: Authority) -> None:
    known = alone.ue("whoami", UE_URL=server, UE_TOKEN=alone.token, UE_CA_FILE=str(authority.file))
    assert known.code == ExitCode.DONE, known.err
    unknown = alone.ue("whoami", UE_URL=server, UE_TOKEN=alone.token)
    assert unknown.code == ExitCode.FAILED
    assert "UE_CA_FILE=FILE names the authority" in unknown.err
    nothing = alone.ue("whoami", UE_URL=server, UE_TOKEN=alone.token, UE_CA_FILE="/dev/null")
    assert nothing.code == ExitCode.USAGE
    assert "/dev/null says nothing of whom to trust" in nothing.err


def test_a_certificate_for_another_name_is_not_trusted(alone: Alone, port: int, authority: Authority, server: str) -> None:
    del server
    said = alone.ue("whoami", UE_URL=f"https://localhost:{port}", UE_TOKEN=alone.token, UE_CA_FILE=str(authority.file))
    assert said.code == ExitCode.FAILED
    assert "certificate is not valid for 'localhost'" in said.err


def test_cookies_are_secure_and_browsers_come_by_tls_alone_from_then_on(client: httpx.Client, alone: Alone) -> None:
    signed_in = client.post("/login", data={"token": alone.token}, headers={"Host": f"{NAME}:8180"})
    assert signed_in.status_code == 303
    assert "secure" in [part.strip().lower() for part in signed_in.headers["set-cookie"].split(";")]
    assert signed_in.headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in client.get("/login").headers, "127.0.0.1 has other servers, too"
    assert client.get("/login", headers={"Host": "attacker.example"}).status_code == 421


def test_no_header_makes_tls_of_clear_text_or_another_client_of_this_one(client: httpx.Client) -> None:
    headers = {"X-Forwarded-Proto": "http", "X-Forwarded-For": "203.0.113.7", "Host": NAME}
    assert "strict-transport-security" in client.get("/login", headers=headers).headers


def test_clear_text_gets_no_answer(server: str) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(server.replace("https", "http") + "/healthz", trust_env=False, timeout=60)


def test_an_old_tls_gets_no_answer(port: int, server: str) -> None:
    del server
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection, pytest.raises(ssl.SSLError):
        context.wrap_socket(connection)


def test_the_supervisor_sees_that_it_is_ready(port: int, server: str) -> None:
    del server
    assert asyncio.run(is_ready(TcpHttp("127.0.0.1", port, "/api/v1/healthz", tls=True)))
    assert not asyncio.run(is_ready(TcpHttp("127.0.0.1", port, "/api/v1/nothing", tls=True)))
    assert not asyncio.run(is_ready(TcpHttp("127.0.0.1", port, "/api/v1/healthz")))


def test_a_renewed_certificate_is_shown_without_a_restart(alone: Alone, authority: Authority, client: httpx.Client, port: int) -> None:
    def shown() -> str:
        return ssl.get_server_certificate(("127.0.0.1", port))

    first = shown()
    assert client.get("/healthz").status_code == 200
    renewed = authority.issue(NAME, "127.0.0.1")
    assert eventually(lambda: shown() != first)
    assert shown() in renewed.certificate.read_text()
    assert client.get("/healthz").status_code == 200, "and who was connected stays so"
    assert alone.ue("whoami").code == ExitCode.DONE
    kept = renewed.certificate.read_text()
    renewed.certificate.write_text("no PEM")
    told = alone.stack.layout.logs / "control.log"
    assert eventually(lambda: "the certificate is not renewed" in told.read_text())
    assert shown() in kept
    renewed.certificate.write_text(kept)


def test_a_key_that_others_can_read_keeps_the_server_down(alone: Alone, authority: Authority) -> None:
    issued = authority.issue("exposed.example.org")
    issued.key.chmod(0o644)
    alone.settle(f'[control]\ntls_certificate = "{issued.certificate}"\ntls_key = "{issued.key}"\n')
    for command in (("serve",), ("env", "up")):
        said = alone.ue(*command)
        assert said.code == ExitCode.REFUSED, said.err
        assert f"{issued.key} can be read or changed by others: its mode is 0644" in said.err
        assert f"chmod 0600 {issued.key}" in said.err


def test_other_machines_are_not_served_in_clear_text(alone: Alone) -> None:
    alone.settle('[control]\nhost = "0.0.0.0"\n')
    said = alone.ue("serve")
    assert said.code == ExitCode.USAGE
    assert "other machines reach 0.0.0.0, and tokens would go there in clear text" in said.err
