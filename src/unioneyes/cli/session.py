"""`ue session`: who is in, by the console or from a chat, and nobody any more who should not be."""

from __future__ import annotations

from unioneyes.cli.client import Api
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Ink, facts, result, say, table
from unioneyes.kernel.access import listed
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.problems import ExitCode
from unioneyes.runbook.views import SessionsEnded, SessionView


def list_sessions(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """List who is in, by the console or from a chat: by what they came in, since when, and until when."""
    found = Api(where).get("sessions", tuple[SessionView, ...])
    result(output, found.document, lambda ink: _sessions_table(ink, found.value))
    return ExitCode.DONE


def end(name: str, /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Let somebody's browsers in no more, and their accounts of a chat, from the next request on.

    A token that they made for themselves ends too; one that an administrator made does not.
    Whoever may still sign in can come again: take them out of their groups at the identity provider first.

    Args:
        name: Who is in.
    """
    ended = Api(where).post(f"sessions/{name}/end", {}, SessionsEnded)
    result(output, ended.document, lambda ink: facts(ink, (("name", ended.value.name), ("ended", str(ended.value.ended)))))
    say(f"next: ue session list{where.flags}; a token that they were given: ue token revoke {name}{where.flags}")
    return ExitCode.DONE


def _sessions_table(ink: Ink, found: tuple[SessionView, ...]) -> str:
    rows = [
        (each.name, listed(each.roles), each.by, each.account or "console", rfc3339(each.begun_at), rfc3339(each.last_used_at), rfc3339(each.expires_at))
        for each in found
    ]
    return table(ink, ("name", "roles", "by", "from", "since", "last used", "until"), rows, empty="nobody is in")
