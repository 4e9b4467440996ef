"""What is asked of an argument before the server is."""

from __future__ import annotations

import re

from unioneyes.kernel.problems import BadInput

_ADDRESS = re.compile(r"https?://[^\s/]+\S*")


def require_limit(limit: int, *, most: int) -> None:
    """Return when `limit` is a number of lines that can be asked for. Raises: WrongValue."""
    if not 1 <= limit <= most:
        raise WrongValue(what=f"--limit {limit} is out of range", remedy=f"name a number from 1 to {most}; --before gives the next page")


def require_address(url: str) -> None:
    """Return when `url` is an HTTP address. Raises: WrongValue."""
    if not _ADDRESS.fullmatch(url):
        raise WrongValue(what=f"{url!r} is no address", remedy="write it as http://HOST:PORT or https://HOST")


class WrongValue(BadInput):
    """An argument has a value that makes no sense."""
