"""Asking the provider: with a limit on the time and on the size of everything it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from unioneyes.ports.identity import ProviderRefused, ProviderUnavailable

TIME_LIMIT = timedelta(seconds=5)
"""For one question, from the connection to the last byte of the answer."""
LARGEST_ANSWER = 1 << 20
"""Bytes. Discovery documents have some 5 KiB, key sets some 20."""
ANOTHER_WAY = "try again in a moment; until it answers, a token signs you in too"
_JSON = {"Accept": "application/json"}
_LONGEST_TOLD = 200
"""Characters."""

M = TypeVar("M", bound=BaseModel)


class Answered(BaseModel):
    """What a provider answers, as far as it is read here: providers may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _OAuthError(Answered):
    """Source: RFC 6749, 5.2."""

    error: str
    error_description: str = ""


class Asking:
    """A client of the provider's addresses. It follows no redirect: nothing that is asked for here is answered by one."""

    def __init__(self, *, time_limit: timedelta = TIME_LIMIT) -> None:
        """Connect when something is asked, each time anew: people sign in seldom."""
        self._time_limit = time_limit
        self._trusted = httpx.create_ssl_context()

    def get(self, url: str, kind: type[M], headers: Mapping[str, str] | None = None) -> M:
        """Return what stands at `url`. Raises: ProviderUnavailable, ProviderRefused."""
        return self._read(httpx.Request("GET", url, headers={**_JSON, **(headers or {})}), kind)

    def post(self, url: str, form: Mapping[str, str], kind: type[M], headers: Mapping[str, str] | None = None) -> M:
        """Return the answer to `form`. Never sent twice: a code is good for one try. Raises: ProviderUnavailable, ProviderRefused."""
        return self._read(httpx.Request("POST", url, data=dict(form), headers={**_JSON, **(headers or {})}), kind)

    def _read(self, request: httpx.Request, kind: type[M]) -> M:
        try:
            status, body = asyncio.run(self._send(request))
        except httpx.HTTPError as error:
            told = f"the identity provider does not answer at {request.url.host} ({type(error).__name__})"
            raise ProviderUnavailable(what=told, remedy=ANOTHER_WAY) from None
        if status != httpx.codes.OK:
            raise _refused(request, status, body)
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False, include_input=False))
            raise ProviderUnavailable(what=f"{_place(request)} answers what can't be read: {wrong}", remedy=ANOTHER_WAY) from None

    async def _send(self, request: httpx.Request) -> tuple[int, bytes]:
        """Return what comes within the limit: httpx's own are for each read, and one who sends a byte now and then keeps to them for good."""
        body, seconds = bytearray(), self._time_limit.total_seconds()
        try:
            async with asyncio.timeout(seconds), httpx.AsyncClient(timeout=seconds, verify=self._trusted) as http:
                response = await http.send(request, stream=True)
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > LARGEST_ANSWER:
                        raise httpx.DecodingError("the answer is too large", request=request)
        except TimeoutError:
            raise httpx.ReadTimeout("the whole answer took too long", request=request) from None
        return response.status_code, bytes(body)


def _refused(request: httpx.Request, status: int, body: bytes) -> ProviderRefused | ProviderUnavailable:
    try:
        told = _OAuthError.model_validate(_json(body))
    except ValidationError:
        return ProviderUnavailable(what=f"{_place(request)} answers {status}", remedy=ANOTHER_WAY)
    return refusal(told.error, told.error_description)


def refusal(error: str, description: str) -> ProviderRefused:
    """Return the problem of a provider that says no, in its own words: short and in one line, for they came from elsewhere."""
    said = " ".join(f"{error}: {description}".split()) if description else error
    told = "".join(character for character in said if character.isprintable())[:_LONGEST_TOLD]
    return ProviderRefused(
        what=f"the identity provider refuses: {told}",
        remedy="sign in once more; where it says the same again, tell an administrator of this server",
    )


def _json(body: bytes) -> JsonValue:
    try:
        found: JsonValue = json.loads(body)
    except ValueError:
        return None
    return found


def _place(request: httpx.Request) -> str:
    return f"{request.url.host}{request.url.path}"
