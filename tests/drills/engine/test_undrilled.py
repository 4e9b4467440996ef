"""An environment that refuses what changed since its last passing drill begins nothing of it, and is no obstacle to anything else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from tests.drills.engine.conftest import Drill, drill_on, url
from tests.drills.engine.runbooks import Behaviour, Move, Script, environment, require
from unioneyes.adapters.postgres.server import PostgresServer
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


def test_a_dry_run_says_that_the_start_would_be_refused(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILL_REFUSES", "drill.script")
    refusing = Engine(database_url=SecretStr(url(drill.server, drill.control)), environment=environment(), redactor=Redactor(), worker=False, require=require)
    refusing.launch()
    request = encode(Script(moves=(Move(key="a"),)), Script)
    assert refusing.plan("drill.part", request).refused is None
    refused = refusing.plan("drill.script", request).refused
    assert refused is not None
    assert (refused["detail"], refused["exit_code"]) == ("drill.script changed since its last passing drill", 3)
    assert drill.engine.plan("drill.script", request).refused is None
    refusing.close()


def test_what_was_asked_for_before_it_changed_does_not_begin(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with drill_on(server) as drill:
        run, way_back = drill.start(Move(key="a")), drill.start(Move(key="r"), runbook="drill.aside")
        whole = drill.start_script(Script(moves=(Move(key="b", step="look"),), child=(Move(key="c"),)), runbook="drill.aside")
        monkeypatch.setenv("DRILL_REFUSES", "drill.script drill.part")
        drill.work()
        ended = drill.ended(run.id)
        assert ended.status is RunStatus.REFUSED
        assert ended.problem is not None
        assert ended.problem["type"] == "urn:unioneyes:problem:undrilled"
        assert drill.effects("began a", "did a") == []
        assert drill.kinds(run.id) == ["run-ended"]
        assert drill.ended(way_back.id).status is RunStatus.DONE
        assert drill.ended(whole.id).status is RunStatus.DONE, "a part is not asked: its code counts as its whole's"
        assert drill.engine.lock() is None


def test_what_began_before_it_changed_is_carried_to_its_end(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with drill_on(server) as drill:
        dying = drill.work()
        run = drill.start(Move(key="w", step="look", behaviour=Behaviour.WAITS), Move(key="a"))
        drill.until(lambda: drill.engine.run(run.id).step, lambda step: step == "look")
        monkeypatch.setenv("DRILL_REFUSES", "drill.script")
        drill.work()
        dying.kill()
        drill.side.mark("go w")
        assert drill.ended(run.id).status is RunStatus.DONE
        assert "taken-over" in drill.kinds(run.id)
