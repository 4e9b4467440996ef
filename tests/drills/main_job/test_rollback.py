"""A person's way back: held up by no chat that is down, and closed until there is something to go back from."""

from __future__ import annotations

import pytest

from tests.drills.main_job.main_job import MainJob


@pytest.mark.campaign
def test_a_chat_that_is_down_holds_up_no_rollback_and_the_result_says_that_nobody_was_told(serving: MainJob) -> None:
    before = len(serving.announced())
    run = serving.started("1.0.0", "--bake", "60s")
    serving.wait_for_step(run, "watch_release")
    with serving.chat(mode="down"):
        back = serving.stack.ue("rollback", "traffic", "--reason", "members complain", "--yes", "-o", "json", within=90)
    assert back.code == 0, back.err
    result = serving.result(back)
    assert result["announced"] is None
    assert "503" in str(result["not_announced"])
    assert len(serving.announced()) == before
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)


def test_a_rollback_is_refused_until_the_deployment_has_switched(serving: MainJob) -> None:
    run = serving.started("1.2.0-wrong", "--park")
    parked = serving.ended(run)
    assert serving.run(parked)["status"] == "parked", parked.err
    traffic = serving.traffic_option()
    refused = serving.stack.ue("rollback", "traffic", "--reason", "it looks wrong", "--yes")
    undone = serving.stack.ue("run", "resume", run, "--undo", "--reason", "no member saw it")
    ended = serving.ended(run)
    assert not traffic.possible
    assert "never served" in traffic.why
    assert refused.code == 3, refused.err
    assert "ue run cancel" in refused.err
    assert "ue run resume" in refused.err
    assert undone.code in {5, 8}, undone.err
    assert ended.code == 5, ended.err
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)
