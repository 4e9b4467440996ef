"""`ue runbook pages`: the document, written from the program. `ue runbook document`: who owns it, and when it is reviewed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import JsonValue, TypeAdapter

from unioneyes.cli.launch import Flag
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Ink, NotWritten, facts, result, say
from unioneyes.cli.version import version
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import ExitCode, Problem, Refused
from unioneyes.kernel.project import project_path
from unioneyes.kernel.status import Tone
from unioneyes.kernel.upkeep import Upkeep

PAGES = "docs/runbook"
VERSION = 1
"""Of the JSON that is printed; another number when a field is gone, or means something else."""


def pages(
    *,
    check: Flag = False,
    to: Annotated[Path | None, Parameter(help="The folder of the pages; docs/runbook of the project when not given.")] = None,
    where: Where = HERE,
) -> ExitCode:
    """Write the pages of the runbook document from the program; needs no server.

    Prints those that were changed.

    Args:
        check: Write nothing; end with 1 when a page does not say what the program does.
    """
    del where  # the pages are the program's, whatever environment it operates
    from unioneyes.runbook.pages.writing import stale, write  # noqa: PLC0415 - the other commands pay nothing for it

    folder = _folder(to)
    wanted = wanted_pages()
    if check:
        if old := stale(folder, wanted):
            named = ", ".join(str(folder / name) for name in old)
            raise PagesStale(what=f"not what the program does: {named}", remedy=f"ue runbook pages{f' --to {to}' if to else ''}")
        say("every page says what the program does")
        return ExitCode.DONE
    try:
        changed = write(folder, wanted)
    except OSError as error:
        raise NotWritten(what=f"{folder} can't be written: {error.strerror}", remedy="name another folder with --to") from None
    for name in changed:
        print(folder / name)  # noqa: T201 - the result
    say(f"{len(changed)} of {len(wanted)} pages were changed")
    return ExitCode.DONE


def document(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show the runbook document's upkeep: its version, its owner, and its next review; needs no server.

    Ends with 8 when a review was missed: it waits for a person.
    """
    del where  # the same document for every environment
    from unioneyes.environments.document import document_upkeep  # noqa: PLC0415 - the other commands pay nothing for it

    upkeep = document_upkeep()
    at = now()
    missed = upkeep.missed(at)
    kept: JsonValue = TypeAdapter(Upkeep).dump_python(upkeep, mode="json")
    told: JsonValue = {"version": VERSION, "document": kept, "days_left": upkeep.days_left(at), "missed": missed is not None, "program": version()}
    result(output, told, lambda ink: _text(ink, upkeep, upkeep.days_left(at)))
    if missed is None:
        return ExitCode.DONE
    say(f"‖ {missed}")
    say("next: review it, write both days into policy/document.yaml, then ue runbook pages")
    return ExitCode.PENDING


def wanted_pages() -> Mapping[str, str]:
    """Return the text of every page by the name of its file. Raises: PolicyUnreadable."""
    from unioneyes.cli.started import commands  # noqa: PLC0415 - loads every command
    from unioneyes.environments.chapters import CHAPTERS  # noqa: PLC0415 - as above
    from unioneyes.environments.document import document_upkeep  # noqa: PLC0415 - as above
    from unioneyes.runbook.pages.writing import pages as written  # noqa: PLC0415 - as above

    return written(CHAPTERS, commands(), document_upkeep())


def _folder(to: Path | None) -> Path:
    """Return the folder of the pages. Raises: NoPagesHere."""
    if to is not None:
        return to
    folder = project_path(PAGES)
    if not folder.is_dir():
        raise NoPagesHere(what="an installed program has no folder of pages of its own", remedy="name one: --to FOLDER")
    return folder


def _text(ink: Ink, upkeep: Upkeep, days_left: int) -> str:
    due = ink.tone(Tone.BAD, "✘ missed") if days_left < 0 else ink.tone(Tone.GOOD, f"✔ in {days_left} {'day' if days_left == 1 else 'days'}")
    return facts(
        ink,
        (
            ("version", upkeep.version),
            ("status", upkeep.status),
            ("updated", f"{upkeep.updated}"),
            ("commit", upkeep.commit),
            ("program", version()),
            ("owner", upkeep.owner),
            ("review", upkeep.frequency.value),
            ("last review", f"{upkeep.last_review}"),
            ("next review", f"{upkeep.next_review}, {due}"),
        ),
    )


class PagesStale(Problem):
    """A page says something else than the program does."""


class NoPagesHere(Refused):
    """There is no folder to write the pages to."""
