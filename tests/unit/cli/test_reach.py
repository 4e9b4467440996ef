"""Suggested commands reach the environment that the person spoke of."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.cli.options import Where
from unioneyes.cli.reach import spoken_where, with_flags
from unioneyes.cli.tree import VERBS

HOME = " --home /srv/stack"


@pytest.mark.parametrize(
    ("remedy", "shown"),
    [
        ("ue env up", "ue env up --home /srv/stack"),
        ("ue run show r-1 says how far it came", "ue run show --home /srv/stack r-1 says how far it came"),
        ("ue deploy status; ue release list shows the others", "ue deploy status --home /srv/stack; ue release list --home /srv/stack shows the others"),
        ("ue env status --home /srv/stack; ue env up", "ue env status --home /srv/stack; ue env up --home /srv/stack"),
        ("ue run resume r-1 --undo --home /srv/stack", "ue run resume r-1 --undo --home /srv/stack"),
        ("look for `ue env doctor`, or wait", "look for `ue env doctor --home /srv/stack`, or wait"),
        ("ue --help lists the commands", "ue --help lists the commands"),
        ("a queue run list is no command", "a queue run list is no command"),
        ("mend it", "mend it"),
    ],
)
def test_every_command_in_a_remedy_gets_the_flags_once(remedy: str, shown: str) -> None:
    assert with_flags(remedy, HOME) == shown


@given(st.lists(st.sampled_from([f"ue {verb.words}" for verb in VERBS]), max_size=4), st.sampled_from(["; ", ", then ", " or "]))
def test_a_remedy_that_has_the_flags_stays_as_it_is(commands: list[str], between: str) -> None:
    once = with_flags(between.join(commands), HOME)
    assert once.count(HOME) == len(commands)
    assert with_flags(once, HOME) == once


def test_the_default_environment_needs_no_flags() -> None:
    assert with_flags("ue env up", Where().flags) == "ue env up"


@pytest.mark.parametrize(
    ("words", "environ", "where"),
    [
        ([], {}, Where()),
        (["1.1.0", "--home", "/a"], {}, Where(home=Path("/a"))),
        (["--home=/a", "--env", "staging"], {"UE_HOME": "/b"}, Where(env="staging", home=Path("/a"))),
        (["--nonsense"], {"UE_ENV": "staging", "UE_HOME": "/b"}, Where(env="staging", home=Path("/b"))),
        (["--home"], {}, Where()),
    ],
)
def test_the_environment_is_the_one_that_the_command_line_names(words: list[str], environ: dict[str, str], where: Where) -> None:
    assert spoken_where(words, environ) == where


def test_a_home_with_a_space_is_quoted_for_the_shell() -> None:
    assert Where(home=Path("/srv/my stack")).flags == " --home '/srv/my stack'"
