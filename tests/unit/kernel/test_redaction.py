"""No form in which a secret may be shown comes through."""

from __future__ import annotations

import base64
import html
import json
import textwrap
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.redaction import BLOT, Redactor, holds_secret

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40).filter(lambda text: text not in BLOT)
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGFuZCB0aGlzIGlzIG5vIHNlY3JldA==\nAAAAC3NzaC1lZDI1NTE5\n-----END PRIVATE KEY-----\n"


@given(SECRETS)
def test_a_known_secret_comes_through_in_no_form(secret: str) -> None:
    forms = [secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    redact = Redactor([secret])

    for form in (*forms, html.escape(secret), repr(secret)[1:-1], secret.encode().hex(), secret.encode().hex().upper()):
        assert redact(f"<{form}>") == f"<{BLOT}>", form


@given(SECRETS.filter(lambda text: len(text) >= 8), st.binary(max_size=8), st.binary(max_size=8))
def test_a_known_secret_is_not_read_out_of_base64(secret: str, before: bytes, after: bytes) -> None:
    for encoded in (base64.b64encode(before + secret.encode() + after), base64.urlsafe_b64encode(before + secret.encode() + after)):
        shown = Redactor([secret])(encoded.decode())
        assert BLOT in shown
        assert len(shown.replace(BLOT, "")) <= len(base64.b64encode(before)) + len(base64.b64encode(after)) + 8


@given(
    st.text("abcdefghijkXYZ0123+/=", min_size=60, max_size=200),
    st.binary(max_size=80),
    st.sampled_from(["\n", "\r\n", "\n    ", "\\n"]),
    st.sampled_from([64, 76]),
)
def test_a_known_secret_is_not_read_out_of_base64_that_was_wrapped(secret: str, before: bytes, end: str, width: int) -> None:
    encoded = base64.b64encode(before + secret.encode()).decode()
    shown = Redactor([secret])(end.join(textwrap.wrap(encoded, width)))

    assert BLOT in shown
    assert len(shown.replace(BLOT, "").replace(end, "")) <= len(base64.b64encode(before)) + 8


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "a://:" * 200_000,
        "://" + "a+" * 500_000,
        "://" + "a://" * 250_000,
        "a://" + "b" * 1_000_000,
        "-eyJaaaaaaaa" * 80_000,
        "-eyJaaaaaaaa." * 80_000,
        "-----BEGIN PRIVATE KEY-----a" * 40_000,
        "-----BEGIN " + "PRIVATE KEY" * 90_000,
        "token" + " " * 1_000_000,
        "token=" + " " * 1_000_000,
        "token " * 160_000 + "=",
        "Bearer " * 140_000,
        "Bearer" + " " * 1_000_000,
        "-ue_" * 250_000,
        "-xoxb-" * 160_000,
        "/services/T" * 90_000,
        "/services/" + "T" * 1_000_000,
        "QUFB\n" * 200_000,
        "QUFB" + "\n " * 300_000,
    ],
    ids=lambda text: repr(text[:30]),
)
def test_a_text_that_was_made_to_be_slow_is_not(text: str) -> None:
    """One that took the square of its length would take minutes, and hold up everybody meanwhile."""
    assert Redactor(["A" * 60])(text)
    holds_secret(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see postgresql+psycopg://u:p:w/d@h/x, amqp+tls://a:b@h", f"see postgresql+psycopg://u:{BLOT}@h/x, amqp+tls://a:{BLOT}@h"),
        ("HTTPS://u:hunter22@h", f"HTTPS://u:{BLOT}@h"),
        ("a://:" * 3 + "x@h", f"a://:{BLOT}@h"),
        ("http://h:80/a http://u:pw@h", f"http://h:80/a http://u:{BLOT}@h"),
        ("a://u:" + "p" * 5_000 + "@h", f"a://u:{BLOT}@h"),
    ],
)
def test_the_password_of_an_address_is_blotted_out_however_long_and_wherever_it_stands(text: str, shown: str) -> None:
    assert Redactor()(text) == shown


def test_a_jwt_is_found_behind_what_only_begins_like_one() -> None:
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"

    assert Redactor()(f"eyJhbGciOiJI eyJaaaaaaaa.{jwt} -{jwt}") == f"eyJhbGciOiJI {BLOT}.c2lnbmF0dXJl -{BLOT}"
    assert holds_secret(f"eyJhbGciOiJI -{jwt}")
    assert not holds_secret("eyJhbGciOiJI -eyJzdWIiOiIxMjM0.abc")


def test_a_line_of_a_known_secret_is_blotted_out_where_it_is_shown_alone() -> None:
    shown = Redactor([PEM])("it printed\nAAAAC3NzaC1lZDI1NTE5\n")

    assert shown == f"it printed\n{BLOT}\n"


@pytest.mark.parametrize("text", [PEM, json.dumps(PEM), PEM.replace("PRIVATE", "EC PRIVATE"), PEM[:60], f"a {PEM} b {PEM} c", repr({"key": PEM})])
def test_a_private_key_is_blotted_out_also_in_json_and_cut_off(text: str) -> None:
    shown = Redactor()(text)

    assert BLOT in shown
    assert "MC4CAQ" not in shown
    assert "AAAAC3" not in shown


def test_what_stands_around_a_private_key_stays() -> None:
    assert Redactor()(f"before\n{PEM}after") == f"before\n-----BEGIN PRIVATE KEY-----{BLOT}\nafter"


def test_basic_credentials_are_blotted_out() -> None:
    assert Redactor()("Authorization: Basic dXNlcjpodW50ZXIyaHVudGVyMg==") == f"Authorization: Basic {BLOT}"


@given(st.lists(SECRETS, max_size=4), st.text(max_size=200))
def test_what_was_blotted_out_once_stays_as_it_is(known: list[str], text: str) -> None:
    redact = Redactor(secret for secret in known if not any(secret in BLOT or form in BLOT for form in secret.splitlines()))
    once = redact(text)

    assert redact(once) == once


def test_a_long_text_is_blotted_out_in_a_moment() -> None:
    redact = Redactor([f"secret-number-{number:012}" for number in range(12)])
    text = "an ordinary line of a log that holds no secret at all, token: none\n" * 4_000
    began = time.process_time()
    redact(text)

    assert time.process_time() - began < 5, "256 kB"


@pytest.mark.parametrize("text", ["--set TOKEN=@/run/secrets/token", "token: secret://kubernetes/ops/slack#token", "Authorization: Bearer TOKEN"])
def test_a_reference_to_a_secret_is_none(text: str) -> None:
    assert Redactor()(text) == text
