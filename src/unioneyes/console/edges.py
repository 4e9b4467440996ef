"""The edge in the HTTP API: how it stands. Changing it is a run."""

from __future__ import annotations

from fastapi import APIRouter

from unioneyes.console.api import PREFIX, VersionedJson
from unioneyes.console.control import Parts
from unioneyes.console.failures import RESPONSES
from unioneyes.console.guard import Reader
from unioneyes.ports.edge import EdgeView

router = APIRouter(prefix=f"{PREFIX}/edge", default_response_class=VersionedJson, responses=RESPONSES)


@router.get("")
def show_edge(control: Parts, by: Reader) -> EdgeView:
    """Return how much each client's address may ask, and who is kept out, as the data plane does it now."""
    del by
    return control.environment.edge.view()
