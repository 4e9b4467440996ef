"""What the API takes, and of whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

import unioneyes.runbook.documents.runbook  # noqa: F401 - registers its runbooks
from unioneyes.console.api import SmokeTest, StartRun, start_run
from unioneyes.console.control import Control
from unioneyes.kernel.access import RIGHTS, NotAllowed, Person, Right, Role
from unioneyes.runbook.own import OwnRunbooks

ADDRESSES = ["http://127.0.0.1:8181", "https://members.example.org", "http://[::1]:80/below", "http://xn--bcher-kva.example/"]
NONE = [
    *("", "ftp://a", "http://", "http:///a", "http://:80", "http://a b", "http://a\n", "http://a..b", f"http://{'a' * 64}.example", "http://999.1.1.1/"),
    *("http://[zz]/", "http://a:99999", "http://a:0", "http://a:port", "http://b\u00fccher.example", "https://127.0.0.1:9?Qn\u00e8\u0092\u0002"),
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_is_taken(url: str) -> None:
    assert SmokeTest(url=url).url == url


@pytest.mark.parametrize("url", NONE)
def test_what_no_program_can_ask_is_refused_before_one_tries(url: str) -> None:
    with pytest.raises(ValidationError):
        SmokeTest(url=url)


@pytest.mark.parametrize("role", [role for role in Role if Right.EXECUTE not in RIGHTS[role]])
@pytest.mark.parametrize("runbook", ["document.run", "document.read"])
def test_a_document_is_planned_for_nobody_who_may_not_run_it(tmp_path: Path, runbook: str, role: Role) -> None:
    control = object.__new__(Control)
    object.__setattr__(control, "own", OwnRunbooks(tmp_path))
    body = StartRun(runbook=runbook, request={"name": "a.md", "text": "```bash\ndate\n```\n"}, dry_run=True)
    with pytest.raises(NotAllowed, match="the right to execute"):
        start_run(body, control, Person(name="vera", roles=frozenset({role})))
