"""The edge, as people read it."""

from __future__ import annotations

from collections.abc import Iterator

from unioneyes.cli.output import Ink, facts
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration
from unioneyes.operations.security.model import KeptOut, Limited
from unioneyes.operations.security.rules import spoken_limit, spoken_network, spoken_networks
from unioneyes.ports.edge import EdgeView, Network


def edge_text(ink: Ink, view: EdgeView) -> str:
    """Return how the edge stands: every network that is kept out, one line each."""
    told = facts(ink, (("limit", spoken_limit(view.limit)), *_listed(view.denied), *((("confirmed", view.note),) if view.note else ())))
    said = ink.tone(Tone.GOOD, "✔ in force") if view.in_force else ink.tone(Tone.BAD, "✘ something else is filed than what the data plane does")
    return f"{told}\n\n{said}"


def limited_text(ink: Ink, done: Limited) -> str:
    """Return what a limit came to."""
    return facts(ink, (("limit", spoken_limit(done.now)), ("before", spoken_limit(done.before)), ("in force after", format_duration(done.took))))


def kept_out_text(ink: Ink, done: KeptOut) -> str:
    """Return what a change of the list came to."""
    return facts(ink, (*_listed(done.now), ("before", spoken_networks(done.before)), ("in force after", format_duration(done.took))))


def _listed(networks: tuple[Network, ...]) -> Iterator[tuple[str, str]]:
    if not networks:
        yield "kept out", "nobody"
    for number, network in enumerate(networks):
        yield "kept out" if number == 0 else "", spoken_network(network)
