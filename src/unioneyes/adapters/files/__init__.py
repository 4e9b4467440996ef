"""Documents as Markdown pages in a folder."""

from unioneyes.adapters.files.pages import MarkdownFolder, PageNotKept, PathOutside

__all__ = ["MarkdownFolder", "PageNotKept", "PathOutside"]
