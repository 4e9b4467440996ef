"""Runs one command: cyclopts reads its flags; a problem is printed once, with its exit code."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable
from importlib import import_module

from cyclopts import App, Argument, CycloptsError, MissingArgumentError

from unioneyes.cli.options import EVERYWHERE
from unioneyes.cli.output import report, say
from unioneyes.cli.reach import spoken_where
from unioneyes.cli.tree import VERBS, Verb, overviewed
from unioneyes.kernel.problems import BadInput, ExitCode, Problem

_BROKEN_PIPE = 141
"""What a shell reports for a program that SIGPIPE ended."""


def run_verb(verb: Verb, words: list[str]) -> int:
    """Run the command with its flags; return the exit code."""
    try:
        code = _app(verb)(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        return report(_usage(verb, error), as_json=_wants_json(words))
    except Problem as problem:
        return report(problem, as_json=_wants_json(words), flags=spoken_where(words, os.environ).flags)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter complains at its end
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        say("interrupted")
        return ExitCode.DETACHED
    return code if isinstance(code, int) else ExitCode.DONE


def refuse_unknown(words: list[str]) -> int:
    """Say that there is no such command, and which ones come near."""
    asked = " ".join(word for word in words[: 3 if overviewed(words[:2]) else 2] if not word.startswith("-"))
    near = difflib.get_close_matches(asked, [verb.words for verb in VERBS], n=2) or [verb.words for verb in VERBS if verb.noun == words[0]]
    remedy = " or ".join(f"ue {each}" for each in near) or "ue --help lists the commands"
    return report(UnknownCommand(what=f"there is no command `ue {asked}`", remedy=remedy), as_json=_wants_json(words))


def load(verb: Verb) -> Callable[..., object]:
    """Return the command's function."""
    module, _, name = verb.function.partition(":")
    function: Callable[..., object] = getattr(import_module(f"unioneyes.cli.{module}"), name)
    return function


def _app(verb: Verb) -> App:
    app = App(name=f"ue {verb.words}", usage=_usage_line(verb), version_flags=[], result_action="return_value", help_format="plaintext")
    app["--help"].group = (EVERYWHERE,)
    app.default(load(verb))
    return app


def _usage_line(verb: Verb) -> str:
    return f"Usage: ue {verb.words}{f' {verb.takes}' if verb.takes else ''} [options]"


def _usage(verb: Verb, error: CycloptsError) -> WrongUsage:
    match error:
        case MissingArgumentError(keyword=str() as flag):
            what = f"{flag} has no value"
        case MissingArgumentError(argument=Argument(name=name)):
            what = f"{name if name.startswith('-') else name.upper()} is missing"
        case _:
            what = " ".join(str(error).split())
    return WrongUsage(what=what, remedy=f"ue {verb.words} --help")


def _wants_json(words: list[str]) -> bool:
    """Return whether the command line asks for JSON, also where it could not be read to its end."""
    joined = " ".join(words).replace("=", " ")
    return any(f"{flag} {form}" in joined for flag in ("-o", "--output") for form in ("json", "jsonl"))


class WrongUsage(BadInput):
    """The command line could not be read."""


class UnknownCommand(BadInput):
    """There is no such command."""
