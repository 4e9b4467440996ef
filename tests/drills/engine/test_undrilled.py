"""An environment that refuses what changed since its last passing drill begins nothing of it, and is no obstacle to anything else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from tests.drills.engine.conftest import Drill, url
from tests.drills.engine.runbooks import Move, Script, environment
from unioneyes.environments.chapters import CHAPTERS
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.codec import encode
from unioneyes.runbook.engine import Engine
from unioneyes.runbook.freshness import Drills, Undrilled

assert CHAPTERS


@pytest.fixture
def strict(drill: Drill) -> Iterator[Engine]:
    """An engine on the drill's database, where nothing was ever drilled."""
    engine = Engine(
        database_url=SecretStr(url(drill.server, drill.control)),
        environment=environment(),
        redactor=Redactor(),
        worker=False,
        require=Drills(dict).require,
    )
    engine.launch()
    yield engine
    engine.close()


def test_what_was_never_drilled_is_refused_before_anything_is_planned_or_held(strict: Engine) -> None:
    before = strict.runs()
    with pytest.raises(Undrilled, match=r"deployment\.start was never drilled"):
        strict.start("deployment.start", {"version": "1.0.0"}, by="engineer")
    assert strict.runs() == before
    assert strict.lock() is None


def test_somebody_s_own_runbook_goes_on(drill: Drill, strict: Engine) -> None:
    run = strict.start("drill.script", encode(Script(moves=(Move(key="a"),)), Script), by="member-1@example.org")
    assert drill.ended(run.id).status is RunStatus.DONE
