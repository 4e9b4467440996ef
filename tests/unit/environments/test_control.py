"""How break-glass finds the control plane, and that it needs nothing of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import SecretStr

from unioneyes.environments import open_directly
from unioneyes.environments.local import control
from unioneyes.environments.local.address import NeverStarted
from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.ports import Ports, keep_ports
from unioneyes.environments.local.secrets import Secrets
from unioneyes.environments.local.stack import Stack
from unioneyes.environments.settings import EnvironmentSettings

SECRETS = Secrets(**{name: SecretStr(f"only-for-this-test-{name}") for name in Secrets.__dataclass_fields__})


def stack(port: int) -> Stack:
    return Stack(layout=Layout(Path("/home/of/a/stack")), ports=Ports(control=port), settings=EnvironmentSettings(), secrets=SECRETS)


@contextmanager
def answering(status: int, port: int = 0) -> Iterator[int]:
    """A server that answers so; give its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == f"Bearer {SECRETS.api_token.get_secret_value()}" and self.path == "/api/v1/lock"
            self.send_response(status if known else 401)
            self.end_headers()
            self.wfile.write(b"null")

        def log_message(self, *_words: object) -> None:
            """Stay silent."""

    with HTTPServer(("127.0.0.1", port), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "alive", "said"), [(200, True, "so does its database"), (503, False, "its database does not"), (500, False, "answers 500"), (401, False, "401")]
)
def test_alive_is_what_answers_out_of_its_database(*, status: int, alive: bool, said: str) -> None:
    with answering(status) as port:
        found = control.control_state(stack(port))
    assert found.alive is alive
    assert said in found.found


def test_a_server_that_stays_away_is_gone_and_one_that_comes_back_in_a_moment_is_not() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    gone = control.control_state(stack(port))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(control.control_state, stack(port))
        time.sleep(control.AWAY_FOR.total_seconds() / 4)
        with answering(200, port):
            back = asked.result()
    assert (gone.alive, back.alive) == (False, True)
    assert "is gone" in gone.found


def test_one_that_hangs_is_as_good_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        found = control.control_state(stack(deaf.getsockname()[1]))
    assert not found.alive
    assert "gives no answer" in found.found


def test_it_is_opened_without_a_server_a_database_or_the_audit_log_s_key(tmp_path: Path) -> None:
    home = tmp_path / "home"
    layout = Layout(home)
    layout.claim_home()
    with pytest.raises(NeverStarted):
        open_directly("local", home)
    keep_ports(layout.ports, Ports(control=1, database=2, replica=3, control_database=4, vendors=5))
    (layout.audit / "public-key").write_text("of a key that is gone\n")

    opened = open_directly("local", home)

    assert opened.environment.facts.service == "unioneyes-web"
    assert opened.break_glass.open_journals() == ()
    assert not layout.break_glass.exists(), "nothing is made before it is needed"
    assert opened.redactor(f"said {(layout.secrets / 'superuser').read_text()}") == "said [redacted]"


def test_a_server_whose_token_can_t_be_read_here_counts_as_alive_when_it_refuses_another_one() -> None:
    with answering(401) as port:
        found = control.control_state(stack(port), token_read=False)

    assert (found.alive, "its token can't be read here" in found.found) == (True, True)
