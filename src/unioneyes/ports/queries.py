"""SQL on the operated database, for the blocks of people's own runbooks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from unioneyes.ports.shell import Ran


class Queries(Protocol):
    """Runs SQL as the owner of the schema."""

    def describe(self) -> str:
        """Return the command that a person would type to get there: `psql postgresql://...`, without a password."""

    def run(self, text: str, *, read_only: bool, within: timedelta, meanwhile: Callable[[], None]) -> Ran:
        """All statements of `text` were done, or none: they are one transaction, unless they begin and end their own.

        With `read_only` they are one transaction that PostgreSQL holds to reading, from its beginning to its end; text that begins or ends one by itself
        is refused. What functions do beside transactions, such as to end another session, that does not hold. No statement runs, or waits for a lock,
        longer than it may. `meanwhile` is called several times a second; whatever that raises cancels the statement.
        What changes something ends, wherever it stands, before anything of a newer run changes something there; what it did not commit is not kept.
        Raises: BlockFailed with the line, BlockTookTooLong, DatabaseUnavailable, FencedOff.
        """
