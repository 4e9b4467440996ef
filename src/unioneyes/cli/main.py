"""The entry point `ue`: finds the command and runs it. Loads nothing that `ue --help` does not need."""

from __future__ import annotations

import sys

from unioneyes.cli.tree import find, noun_overview, overview, overviewed

_HELP = {"--help", "-h", "help"}
_WITH_VALUE = {"--env", "--home", "--output", "-o", "--to"}
"""Options of every command that may also stand before the noun."""


def main() -> int:
    """Run the command line; return the exit code that the shell gets."""
    words = _options_last(sys.argv[1:])
    first = words[0] if words else "--help"
    if first in _HELP:
        print(overview())  # noqa: T201 - the result
        return 0
    if first == "--version":
        from unioneyes.cli.version import version  # noqa: PLC0415 - `ue --help` pays nothing for it

        print(version())  # noqa: T201 - the result
        return 0
    verb = find(words)
    named = words[:-1] if words[-1] in _HELP else words
    if verb is None and overviewed(named):
        print(noun_overview(" ".join(named)))  # noqa: T201 - the result
        return 0
    from unioneyes.cli.command import refuse_unknown, run_verb  # noqa: PLC0415 - `ue --help` pays nothing for it

    return refuse_unknown(words) if verb is None else run_verb(verb, words[len(verb.words.split()) :])


def _options_last(words: list[str]) -> list[str]:
    """Return `words` with the options that stand before the noun moved to the end: `ue --env x deploy status` is understood too."""
    moved: list[str] = []
    rest = list(words)
    while rest and rest[0].partition("=")[0] in _WITH_VALUE:
        take = 1 if "=" in rest[0] else 2
        moved += rest[:take]
        rest = rest[take:]
    return [*rest, *moved]


if __name__ == "__main__":
    sys.exit(main())
