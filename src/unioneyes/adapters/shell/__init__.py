"""Bash on this machine, on a leash: what it starts ends with it, with its time, or with whoever started it."""

from unioneyes.adapters.shell.bash import BashShell

__all__ = ["BashShell"]
