"""`ue serve`: becomes the server."""

from __future__ import annotations

import os
import sys

from unioneyes.cli.options import HERE, Where


def serve(*, where: Where = HERE) -> None:
    """Serve the API, the console and the worker until told to stop."""
    home = [str(where.home)] if where.home else []
    os.execv(sys.executable, [sys.executable, "-m", "unioneyes.console", where.env, *home])  # noqa: S606 - no shell; the server carries none of the command line's weight
