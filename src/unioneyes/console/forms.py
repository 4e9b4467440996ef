"""What a form of one of our pages sends."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

LONGEST_FORM = 16 << 10
"""Bytes: a reason has a thousand characters at most, of up to twelve bytes each on the way."""


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields by their names; none of a form that is longer than any of ours."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            return {}
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


Form = Annotated[dict[str, str], Depends(read_form)]
"""The fields of the form, as a route asks for them."""
