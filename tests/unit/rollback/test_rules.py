"""Which way back is open: a warm release that has served members, and no other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.rollback.model import Serving
from unioneyes.operations.rollback.reasons import Trigger, spelled
from unioneyes.operations.rollback.rules import Needs, NoWay, WayBack, beyond, earlier, needing, serving, unannounced, way_back
from unioneyes.ports.database import Loss, LossKind
from unioneyes.ports.replicas import Replica, Revision, incumbent
from unioneyes.ports.traffic import Colour, Weights

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)


def replica(colour: Colour, *, ready: bool = True, served: bool = True) -> Replica:
    return Replica(name=f"{colour}-1", colour=colour, version="1.0.0", alive=True, ready=ready, restarts=0, since=AT, served=served)


def test_a_warm_colour_that_has_served_is_the_way_back() -> None:
    found = way_back(Weights.all_to(Colour.GREEN), (replica(Colour.BLUE), replica(Colour.GREEN)))
    assert isinstance(found, WayBack)
    assert (found.colour, found.version) == (Colour.BLUE, "1.0.0")


def test_a_release_that_was_only_tried_is_no_way_back() -> None:
    found = way_back(Weights.all_to(Colour.BLUE), (replica(Colour.BLUE), replica(Colour.GREEN, served=False)))
    assert isinstance(found, NoWay)
    assert "never served" in found.why
    assert "ue run cancel" in found.remedy


def served_revision(number: int, version: str, *, bad: bool = False) -> Revision:
    return Revision(number=number, version=version, replicas=2, configuration={}, since=AT, until=None, bad=bad)


def test_what_a_rollback_has_just_left_is_no_way_back() -> None:
    """Its replicas may still be ready: whoever is interrupted, or resumes, must not send the members there."""
    bad = replace(replica(Colour.BLUE), version="1.1.0")
    left = (served_revision(3, "1.0.0"), served_revision(2, "1.1.0", bad=True), served_revision(1, "1.0.0"))
    found = way_back(Weights.all_to(Colour.GREEN), (bad, replica(Colour.GREEN)), left)
    assert isinstance(found, NoWay)
    assert "1.1.0 on blue is what a rollback sent the members away from" in found.why


def test_a_release_that_was_deployed_anew_since_it_was_left_is_a_way_back() -> None:
    again = (served_revision(4, "1.2.0"), served_revision(3, "1.0.0"), served_revision(2, "1.1.0"), served_revision(1, "1.0.0", bad=True))
    newest = replace(replica(Colour.GREEN), version="1.2.0")
    found = way_back(Weights.all_to(Colour.GREEN), (replica(Colour.BLUE), newest), again)
    assert isinstance(found, WayBack)


def test_a_colour_without_a_ready_replica_is_no_way_back() -> None:
    assert isinstance(way_back(Weights.all_to(Colour.GREEN), (replica(Colour.BLUE, ready=False), replica(Colour.GREEN))), NoWay)
    assert isinstance(way_back(Weights.all_to(Colour.GREEN), (replica(Colour.GREEN),)), NoWay)


def test_where_nothing_serves_there_is_nothing_to_go_back_from() -> None:
    assert isinstance(way_back(Weights(), ()), NoWay)


@pytest.mark.parametrize("share", [1, 10, 50, 90, 99])
def test_while_requests_are_split_the_way_back_leads_to_whoever_served_all_of_them_before(share: int) -> None:
    found = way_back(Weights.part_to(Colour.GREEN, share), (replica(Colour.BLUE), replica(Colour.GREEN, served=False)))
    assert isinstance(found, WayBack)
    assert found.colour is Colour.BLUE


@pytest.mark.parametrize("share", [1, 50, 99])
def test_where_both_have_served_the_way_back_leads_to_whoever_was_there_first(share: int) -> None:
    blue, green = replace(replica(Colour.BLUE), placed=AT + timedelta(hours=1)), replace(replica(Colour.GREEN), placed=AT)
    found = way_back(Weights.part_to(Colour.GREEN, share), (blue, green))
    assert isinstance(found, WayBack)
    assert found.colour is Colour.GREEN


def test_while_requests_are_split_a_colour_without_a_ready_replica_is_no_way_back_either() -> None:
    assert isinstance(way_back(Weights.part_to(Colour.GREEN, 10), (replica(Colour.BLUE, ready=False), replica(Colour.GREEN, served=False))), NoWay)


@given(st.integers(1, 99), st.booleans(), st.booleans())
def test_the_way_back_never_depends_on_who_has_most_of_the_requests(share: int, blue_served: bool, green_served: bool) -> None:  # noqa: FBT001 - Hypothesis gives them
    replicas = (replace(replica(Colour.BLUE, served=blue_served), placed=AT), replace(replica(Colour.GREEN, served=green_served), placed=AT + timedelta(1)))
    expected = Colour.GREEN if green_served and not blue_served else Colour.BLUE
    assert incumbent(Weights.part_to(Colour.GREEN, share), replicas) is expected


def revision(number: int, version: str, *, bad: bool = False) -> Revision:
    return Revision(number=number, version=version, replicas=2, configuration={}, since=AT, until=AT, bad=bad)


@pytest.mark.parametrize(
    ("served", "now", "back"),
    [
        ([("1.0.0", False), ("1.1.0", False)], "1.1.0", 1),
        ([("1.0.0", False), ("1.1.0", True), ("1.0.0", False)], "1.0.0", None),
        ([("0.9.0", False), ("1.0.0", False), ("1.1.0", True), ("1.0.0", False)], "1.0.0", 1),
        ([("1.0.0", False), ("1.1.0", False)], "1.0.0", None),
        ([("1.0.0", False)], "1.1.0", 1),
        ([], "1.1.0", None),
    ],
)
def test_the_way_back_is_the_revision_before_and_never_a_bad_one(served: list[tuple[str, bool]], now: str, back: int | None) -> None:
    newest_first = tuple(revision(number, version, bad=bad) for number, (version, bad) in enumerate(served, start=1))[::-1]
    found = earlier(newest_first, now)
    assert (found.number if found else None) == back


@pytest.mark.parametrize(
    ("carried", "head", "lacking"),
    [
        (("0000", "0001"), "0001", None),
        (("0000", "0001"), "0000", "0001"),
        (("0000",), "0001", None),
        (("0000",), None, "0000"),
        ((), None, None),
    ],
)
def test_a_release_lacks_what_stands_behind_the_schema_s_head(carried: tuple[str, ...], head: str | None, lacking: str | None) -> None:
    assert beyond(carried, head) == lacking


def test_whoever_gets_members_requests_serves_however_few() -> None:
    there = (replica(Colour.BLUE), replica(Colour.GREEN))
    assert serving(Weights(blue=90, green=10), there) == (Serving(colour=Colour.BLUE, version="1.0.0"), Serving(colour=Colour.GREEN, version="1.0.0"))
    assert serving(Weights.all_to(Colour.BLUE), there) == (Serving(colour=Colour.BLUE, version="1.0.0"),)


def test_a_release_that_carries_a_migration_needs_it() -> None:
    carried = {"1.0.0": frozenset({"0000"}), "1.1.0": frozenset({"0000", "0001"})}
    assert needing(("0000", "0001"), carried) == Needs(version="1.0.0", tag="0000")
    assert needing(("0001",), carried) == Needs(version="1.1.0", tag="0001")
    assert needing(("0002",), carried) is None


def loss(kind: LossKind, what: str) -> Loss:
    return Loss(migration="0001", kind=kind, what=what, rows=None)


def test_what_went_away_without_having_been_announced_is_named() -> None:
    assert unannounced(("claims.deadline", "claims.channel"), (loss(LossKind.COLUMN, "public.claims.deadline"),)) == ("claims.channel",)
    assert unannounced(("claims.a", "claims.b"), (loss(LossKind.TABLE, "claims"),)) == ()
    assert unannounced(("claims.a",), (loss(LossKind.UNKNOWN, "do"),)) == ()


def test_the_document_s_triggers_are_spelled_out_and_other_reasons_stay_as_they_are() -> None:
    assert {spelled(trigger) for trigger in Trigger} == {
        "database corruption detected",
        "security vulnerability exposed",
        "critical feature completely broken",
        "user data integrity compromised",
    }
    assert spelled("members complain") == "members complain"
