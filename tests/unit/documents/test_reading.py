"""What a file was saved with is read over, told, or refused with its line."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unioneyes.runbook.documents.lint.checks import lint
from unioneyes.runbook.documents.markdown import read_document
from unioneyes.runbook.documents.model import DocumentUnreadable
from unioneyes.runbook.documents.reading import LARGEST, read_source, ungarbled


def test_windows_line_ends_are_read_over_and_told() -> None:
    document = read_document(b"# A\r\n\r\n```bash\r\ndate\r\n```\r\n", "a.md")
    (block,) = document.steps
    assert (block.code, block.line) == ("date\n", 4)
    assert ("windows-line-ends", 1) in {(finding.rule, finding.line) for finding in lint(document)}


def test_a_byte_order_mark_is_read_over() -> None:
    assert read_source(codecs.BOM_UTF8 + b"# A\n", "a.md").text == "# A\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"one\ntwo \xff\n", "a.md, line 2: byte 0xff is no UTF-8"),
        ("one".encode("utf-16"), "a.md, line 1: it is saved as UTF-16"),
        (b"one\ntwo\nthr\x00ee\n", "a.md, line 3: it holds the control character U[+]0000"),
        ("one\n\u202edelete\n".encode(), "a.md, line 2: it holds the control character U[+]202E"),
        (b"x" * (LARGEST + 1), "1,048,577 bytes"),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_line(content: bytes, told: str) -> None:
    with pytest.raises(DocumentUnreadable, match=told):
        read_source(content, "a.md")


@given(st.text(st.characters(min_codepoint=0x80, exclude_categories=["Cs", "Cc", "Cf"]), min_size=1))
def test_whatever_was_garbled_comes_back(meant: str) -> None:
    garbled = "".join(bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in meant.encode())
    assert ungarbled(garbled) == meant


@pytest.mark.parametrize("right", ["é", "größer", "✅", "🚨", "naïve café", "“quoted”", "한국어"])
def test_what_is_right_is_not_called_garbled(right: str) -> None:
    assert read_source(right.encode(), "a.md").garbled == ()


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_whatever_is_read_keeps_its_lines(text: str) -> None:
    try:
        read = read_source(text.encode(), "a.md")
    except DocumentUnreadable:
        assume(condition=False)
    else:
        assert "\r" not in read.text


def test_a_fence_that_is_never_closed_is_found_with_its_line_and_takes_the_rest() -> None:
    document = read_document(b"# A\n\n```bash\ndate\n\n## B\n\ntext\n", "a.md")
    (block,) = document.steps
    assert not block.closed
    assert [(finding.rule, finding.line) for finding in lint(document) if finding.blocks] == [("unended-fence", 3)]


@pytest.mark.parametrize("fenced", ["```bash\ndate\n```\n", "~~~~bash\ndate\n~~~~\n", "1. one\n   ```bash\n   date\n   ```\n", "> ```bash\n> date\n> ```\n"])
def test_a_fence_that_is_closed_is_called_closed(fenced: str) -> None:
    (block,) = read_document(fenced.encode(), "a.md").steps
    assert block.closed
    assert block.code == "date\n"
