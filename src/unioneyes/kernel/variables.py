"""What programs that we start get of this process's environment variables: nothing that could be a secret of whoever started us."""

from __future__ import annotations

import os

_HANDED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")


def handed_on() -> dict[str, str]:
    """Return the variables that say where programs and files are, and which language is spoken."""
    return {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
