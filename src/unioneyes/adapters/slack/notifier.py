"""Announcements in a Slack channel, once each. Implements `ports.notifier.Notifier`."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta

from pydantic import SecretStr
from slack_sdk import WebClient
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState

from unioneyes.adapters.slack.answers import Channels, History, Posted, read
from unioneyes.adapters.slack.message import EVENT_TYPE, compose
from unioneyes.kernel.clock import now
from unioneyes.ports.notifier import Announced, Announcement, NotifierRefused

TIME_LIMIT = timedelta(seconds=8)
"""For one call."""
LONGEST_WAIT = timedelta(seconds=10)
"""For a rate limit; when Slack asks for more, the step that called is tried again later instead."""
LOOK_BACK = timedelta(days=2)
"""How far back an announcement is looked for: longer than any run is tried again."""
PER_PAGE = 200


class SlackNotifier:
    """Posts as the bot that `token` belongs to. Needs the scopes chat:write, channels:read and channels:history."""

    def __init__(self, *, token: SecretStr, base_url: str | None = None, time_limit: timedelta = TIME_LIMIT) -> None:
        """Talk to `base_url` (it ends in `/api/`), to slack.com when not given."""
        self._client = WebClient(
            token=token.get_secret_value(),
            base_url=base_url or WebClient.BASE_URL,
            timeout=max(1, round(time_limit.total_seconds())),
            # Only a rate limit is waited out here: then it is sure that nothing was posted. After a cut connection only the channel knows.
            retry_handlers=[_RateLimit(max_retry_count=2)],
        )
        self._client.proxy = None  # the SDK takes HTTP_PROXY and forgets NO_PROXY; urllib, left alone, heeds both

    def announce(self, announcement: Announcement) -> Announced:
        """The channel shows the announcement, once per key. Raises: NotifierUnavailable, NotifierRefused.

        Slack knows no idempotency key, and refuses nobody who comes late. So whoever posts looks again, and takes its own message back where another
        stood there before it.
        """
        message = compose(announcement)
        channel = self._channel_id(announcement.channel)
        earlier = self._find(channel, announcement.key)
        if earlier is not None:
            return Announced(channel=announcement.channel, reference=earlier, repeated=True)
        posted = read(Posted, self._client.chat_postMessage, channel=channel, text=message.text, blocks=message.blocks, metadata=message.metadata)
        first = self._find(channel, announcement.key)
        if first is None or first == posted.ts:
            return Announced(channel=announcement.channel, reference=posted.ts, repeated=False)
        self._take_back(channel, posted.ts)
        return Announced(channel=announcement.channel, reference=first, repeated=True)

    def describe_announce(self, announcement: Announcement) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        message = compose(announcement)
        body = json.dumps({"channel": message.channel, "text": message.text, "metadata": message.metadata}, ensure_ascii=False)
        headers = """-H "Authorization: Bearer $SLACK_TOKEN" -H 'Content-Type: application/json; charset=utf-8'"""
        return (f"curl -X POST {self._client.base_url}chat.postMessage {headers} -d {shlex.quote(body)}",)

    def _channel_id(self, name: str) -> str:
        """Return the identifier that the history is asked by; a name that is not listed is returned as it is, for Slack to refuse."""
        cursor: str | None = None
        while True:
            page = read(Channels, self._client.conversations_list, cursor=cursor, limit=PER_PAGE)
            for channel in page.channels:
                if name.removeprefix("#") in {channel.name, channel.id}:
                    return channel.id
            cursor = page.next_cursor
            if cursor is None:
                return name

    def _find(self, channel: str, key: str) -> str | None:
        """Return the identifier of the first message that carries `key`; None when there is none."""
        oldest = f"{(now() - LOOK_BACK).timestamp():.6f}"
        cursor: str | None = None
        found: str | None = None
        while True:
            page = read(
                History,
                self._client.conversations_history,
                channel=channel,
                cursor=cursor,
                include_all_metadata=True,
                limit=PER_PAGE,
                oldest=oldest,
            )
            found = next((message.ts for message in reversed(page.messages) if message.carries(EVENT_TYPE, key)), found)  # the newest stand first
            cursor = page.next_cursor
            if cursor is None:
                return found

    def _take_back(self, channel: str, ts: str) -> None:
        """Our message is gone; gone already, as when an answer was lost: nothing happens."""
        try:
            read(Posted, self._client.chat_delete, channel=channel, ts=ts)
        except NotifierRefused as refused:
            if "message_not_found" not in refused.what:
                raise


class _RateLimit(RateLimitErrorRetryHandler):
    """Waits as long as Slack asks for, within reason."""

    def _can_retry(self, *, state: RetryState, request: HttpRequest, response: HttpResponse | None = None, error: Exception | None = None) -> bool:
        limited = super()._can_retry(state=state, request=request, response=response, error=error)
        return limited and response is not None and _asked_wait(response) <= LONGEST_WAIT


def _asked_wait(response: HttpResponse) -> timedelta:
    asked = next((values[0] for name, values in response.headers.items() if name.lower() == "retry-after" and values), "1")
    return timedelta(seconds=int(asked)) if asked.isdecimal() else LONGEST_WAIT
