"""No form in which a secret may be shown comes through."""

from __future__ import annotations

import base64
import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.redaction import BLOT, Redactor

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40).filter(lambda text: text not in BLOT)
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGFuZCB0aGlzIGlzIG5vIHNlY3JldA==\nAAAAC3NzaC1lZDI1NTE5\n-----END PRIVATE KEY-----\n"


@given(SECRETS)
def test_a_known_secret_comes_through_in_no_form(secret: str) -> None:
    forms = [secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    redact = Redactor([secret])

    for form in (*forms, html.escape(secret), repr(secret)[1:-1], secret.encode().hex()):
        assert redact(f"<{form}>") == f"<{BLOT}>", form


@given(SECRETS.filter(lambda text: len(text) >= 8), st.binary(max_size=8), st.binary(max_size=8))
def test_a_known_secret_is_not_read_out_of_base64(secret: str, before: bytes, after: bytes) -> None:
    for encoded in (base64.b64encode(before + secret.encode() + after), base64.urlsafe_b64encode(before + secret.encode() + after)):
        shown = Redactor([secret])(encoded.decode())
        assert BLOT in shown
        assert len(shown.replace(BLOT, "")) <= len(base64.b64encode(before)) + len(base64.b64encode(after)) + 8


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
