"""`ue env secrets`: where each secret is kept, and whether it can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Cell, Ink, result, table
from unioneyes.environments import home_of
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.status import Tone

if TYPE_CHECKING:
    from pydantic import JsonValue

    from unioneyes.environments.local.secret_places import SecretPlace


def secrets(*, where: Where = HERE, printed: Output = PRINTED) -> ExitCode:
    """Show where each secret of the environment is kept, and whether it can be read; never the secret.

    Whoever keeps one is asked for it. Exit code 0 when each can be read, or will be made by `ue env up`; 1 otherwise. Changes nothing.
    """
    home = home_of(where.env, where.home)
    from unioneyes.environments.local.layout import Layout  # noqa: PLC0415 - `ue env secrets --help` pays nothing for it
    from unioneyes.environments.local.secret_places import secret_places  # noqa: PLC0415 - the same

    found = secret_places(Layout(home))
    readable = all(place.problem is None for place in found)
    document: JsonValue = {"readable": readable, "secrets": [_document(place) for place in found]}
    result(printed, document, lambda ink: _page(ink, found))
    return ExitCode.DONE if readable else ExitCode.FAILED


def _document(place: SecretPlace) -> JsonValue:
    problem: JsonValue = {"what": place.problem.what, "remedy": place.problem.remedy} if place.problem else None
    return {"secret": place.secret, "kept": place.kept, "by_reference": place.referred, "made": place.made, "problem": problem}


def _page(ink: Ink, found: tuple[SecretPlace, ...]) -> str:
    shown = table(ink, ("state", "secret", "kept in"), [(_state(place), place.secret, place.kept) for place in found], empty="")
    to_do = [f"  {place.problem}" for place in found if place.problem]
    return "\n".join([shown, "", ink.bold("to do"), *to_do]) if to_do else shown


def _state(place: SecretPlace) -> Cell:
    if place.problem:
        return Cell("✘ unreadable", Tone.BAD)
    return Cell("✔ readable", Tone.GOOD) if place.made else Cell("· not made yet", Tone.QUIET)
