"""Which file a person means: a path, or the name of one in the folder of the project's own runbooks."""

from __future__ import annotations

from pathlib import Path

from unioneyes.cli.options import Where
from unioneyes.environments import own_runbooks
from unioneyes.kernel.problems import NotFound


def find_file(named: str, where: Where) -> Path | None:
    """Return the file that `named` is, or that stands in the folder of own runbooks under that name, with or without `.md`; None when there is none."""
    given = Path(named).expanduser()
    if given.is_file():
        return given
    folder = own_runbooks(where.env, where.home)
    candidates = (folder / named, folder / f"{named}.md") if "/" not in named else ()
    return next((path for path in candidates if path.is_file()), None)


def read_file(named: str, where: Where) -> tuple[Path, bytes]:
    """Return the file, and what it holds. Raises: NoSuchRunbook."""
    path = find_file(named, where)
    if path is None:
        folder = own_runbooks(where.env, where.home)
        raise NoSuchRunbook(what=f"there is no file {named}, and none of that name in {folder}", remedy="name a path; ue runbook list shows the folder's")
    try:
        return path, path.read_bytes()
    except OSError as error:
        raise NoSuchRunbook(what=f"{path} can't be read: {error.strerror}", remedy="make it readable") from None


class NoSuchRunbook(NotFound):
    """No runbook has this name, and no file."""
