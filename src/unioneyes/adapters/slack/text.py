"""Texts as Slack takes them. Pure."""

from __future__ import annotations


def escaped(text: str) -> str:
    """Return `text` so that Slack reads no markup into it. Source: Slack, "Formatting text", the three characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shortened(text: str, longest: int) -> str:
    """Return at most so many characters of it."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
