"""`ue token`: who may come in, and as what; and `ue whoami`."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.cli.client import Api
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Cell, Ink, facts, result, say, table
from unioneyes.kernel.access import Right, Role, listed
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.status import Tone
from unioneyes.runbook.views import Myself, TokenMade, TokenView


def create(name: str, /, *, role: tuple[Role, ...], lasts: timedelta = timedelta(days=90), where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Make a token for a person or a program, and show it once.

    Args:
        name: Who gets it: the name that journals will show.
        role: What they are; may be given again for another role.
        lasts: How long it lets them in, at most 366d.
    """
    made = Api(where).post("tokens", {"name": name, "roles": [*role], "lasts": lasts.total_seconds()}, TokenMade)
    result(output, made.document, lambda _: made.value.secret)
    token = made.value.token
    say(f"{token.name} is {listed(token.roles)} until {rfc3339(token.expires_at)}; the token is shown this once: put it into UE_TOKEN")
    say(f"to take it back: ue token revoke {name}{where.flags}")
    return ExitCode.DONE


def list_tokens(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """List the tokens, newest first: who holds them, as what, until when, and when they were last used."""
    found = Api(where).get("tokens", tuple[TokenView, ...])
    result(output, found.document, lambda ink: _tokens_table(ink, found.value))
    return ExitCode.DONE


def revoke(name: str, /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Let nobody in any more by a token, from the next request on.

    Args:
        name: Who holds it.
    """
    revoked = Api(where).post(f"tokens/{name}/revoke", {}, TokenView)
    result(output, revoked.document, lambda ink: _tokens_table(ink, (revoked.value,)))
    say(f"next: ue token list{where.flags}")
    return ExitCode.DONE


def whoami(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show who you are to the server, and what you may do."""
    found = Api(where).get("me", Myself)
    me = found.value
    may = ", ".join(right for right in Right if right in me.rights)
    result(output, found.document, lambda ink: facts(ink, [("name", me.name), ("roles", listed(me.roles)), ("may", may)]))
    return ExitCode.DONE


def _tokens_table(ink: Ink, found: tuple[TokenView, ...]) -> str:
    rows = [
        (each.name, _state(each), listed(each.roles), rfc3339(each.expires_at), rfc3339(each.last_used_at) if each.last_used_at else "never", each.created_by)
        for each in found
    ]
    return table(ink, ("name", "state", "roles", "expires", "last used", "made by"), rows, empty="no tokens but the environment's own")


def _state(each: TokenView) -> Cell:
    if each.revoked_by is not None:
        return Cell(f"⊘ revoked by {each.revoked_by}", Tone.WARN)
    return Cell("⊘ ended", Tone.QUIET) if each.expires_at <= now() else Cell("✔ lets in", Tone.GOOD)
