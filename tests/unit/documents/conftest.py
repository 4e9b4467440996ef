"""The document that asked for the product, and small ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from unioneyes.runbook.documents.markdown import read_document
from unioneyes.runbook.documents.model import Document

REQUIREMENT = Path(__file__).parent / "data" / "PRODUCTION_RUNBOOKS.md"


@pytest.fixture(scope="session")
def requirement() -> Document:
    return read_document(REQUIREMENT.read_bytes(), REQUIREMENT.name)
