"""Headings, links, labels and what a document accepts."""

from __future__ import annotations

import pytest

from unioneyes.runbook.documents.choosing import UnknownHeading, chosen
from unioneyes.runbook.documents.lint.checks import lint
from unioneyes.runbook.documents.markdown import read_document, slug_of
from unioneyes.runbook.documents.model import Document


def document(text: str) -> Document:
    return read_document(text.encode(), "a.md")


def test_every_block_of_the_requirement_is_found_where_it_stands(requirement: Document) -> None:
    lines = requirement.source.text.split("\n")
    assert len(requirement.blocks) == 26
    assert len(requirement.steps) == 23
    for block in requirement.blocks:
        assert lines[block.line - 1] == block.code.split("\n", 1)[0]
        assert lines[block.line - 2].strip() == f"```{block.info}"


def test_links_are_named_as_the_forges_name_them(requirement: Document) -> None:
    assert slug_of("1. Pre-Deployment (15 minutes before)") == "1-pre-deployment-15-minutes-before"
    broken = {link.target for link in requirement.links if link.target not in requirement.anchors}
    assert broken == {"database-incidents", "application-incidents", "external-service-incidents"}


def test_a_heading_that_stands_twice_has_two_names_and_an_anchor_is_one_too() -> None:
    found = document('# A\n\n## B\n\n## B\n\n<a id="here"></a>\n\n[one](#b) [two](#b-1) [three](#here) [four](#b-2)\n')
    (finding,) = lint(found)
    assert finding.what.startswith("#b-2 (four) is no heading; #b-1 exists: ")


def test_a_bold_line_above_a_block_is_its_label(requirement: Document) -> None:
    assert [block.label for block in requirement.steps if "Compliance" in block.section] == ["GDPR Data Subject Access Request (DSAR)", "Right to Erasure"]


@pytest.mark.parametrize(
    ("only", "lines"),
    [("Right to Erasure", [493]), ("option a", [153]), ("#option-b-kubernetes-rollback", [164]), ("Rollback Steps (< 5 minutes)", [153, 164, 177])],
)
def test_a_part_is_chosen_by_its_heading_or_its_label(requirement: Document, only: str, lines: list[int]) -> None:
    assert [block.line for block in chosen(requirement, only=only, start=None)] == lines


def test_everything_from_a_heading_on_goes_to_the_end(requirement: Document) -> None:
    assert [block.line for block in chosen(requirement, only=None, start="3. DDoS Attack")] == [470, 484, 493, 532]


@pytest.mark.parametrize(("only", "told"), [("Rolback Steps", "Rollback Steps"), ("Option", "3 headings are called")])
def test_a_heading_that_is_none_or_several_is_refused_with_those_that_come_near(requirement: Document, only: str, told: str) -> None:
    with pytest.raises(UnknownHeading) as refused:
        chosen(requirement, only=only, start=None)
    assert told in str(refused.value)


def test_what_a_document_accepts_is_kept_with_its_reason_and_does_not_block() -> None:
    accepted = document("# A\n\n<!-- ue: accept never-ends: the pager ends it -->\n```bash\nwatch date\n```\n")
    (finding,) = [finding for finding in lint(accepted) if finding.rule == "never-ends"]
    assert finding.accepted == "the pager ends it"
    assert not finding.blocks


def test_accepting_what_is_not_there_is_found() -> None:
    idle = document("# A\n\n<!-- ue: accept never-ends: why -->\n```bash\ndate\n```\n")
    assert [finding.rule for finding in lint(idle)] == ["accepts-nothing"]


def test_what_is_accepted_counts_for_the_block_below_alone() -> None:
    other = document("# A\n\n<!-- ue: accept never-ends: why -->\n\ntext between\n\n```bash\nwatch date\n```\n")
    assert [finding.rule for finding in lint(other) if finding.blocks] == ["never-ends"]
