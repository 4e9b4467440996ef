"""The workspace: its channels, its messages (kept in a file, since Slack forgets nothing at a restart) and the requests that did not fit."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from pydantic import JsonValue

from unioneyes.simulators.slack.schema import NewMessage

TEAM, TEAM_NAME, BOT_USER, BOT, BOT_NAME = "T0UNIONEYES", "UnionEyes", "U0UEBOT", "B0UEBOT", "unioneyes"
_DELETED = "message_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A place to post to."""

    id: str
    name: str
    member: bool = True
    """True when our bot was invited."""
    archived: bool = False


CHANNELS = (
    Channel(id="C0INCIDENTS", name="incidents"),
    Channel(id="C0DEPLOYS", name="deployments"),
    Channel(id="C0SECURITY", name="security"),
    Channel(id="C0BOARD", name="board", member=False),
    Channel(id="C0INC2025", name="incidents-2025", archived=True),
)
"""The document's channel, two more that the program may post to, and two that it may not."""


class Workspace:
    """Messages and violations, each in memory and appended to a file of its own."""

    def __init__(self, folder: Path, *, channels: Iterable[Channel] = CHANNELS) -> None:
        """Read back what `folder` holds of earlier."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.channels = tuple(channels)
        self._lock = Lock()
        self._messages_file, self._violations_file = folder / "slack-received.jsonl", folder / "slack-violations.jsonl"
        self._messages, self._violations = _replayed(_read(self._messages_file)), list(_read(self._violations_file))
        self._last_ts = max((float(str(message["ts"])) for message in self._messages), default=0.0)

    def channel(self, name_or_id: str) -> Channel | None:
        """Return the channel that `#incidents`, `incidents` or `C0INCIDENTS` names."""
        return next((channel for channel in self.channels if name_or_id.removeprefix("#") == channel.name or name_or_id == channel.id), None)

    def channel_by_id(self, channel_id: str) -> Channel | None:
        """Return the channel; names are not accepted, as in the methods that read."""
        return next((channel for channel in self.channels if channel_id == channel.id), None)

    def post(self, channel: Channel, message: NewMessage) -> dict[str, JsonValue]:
        """The message stands in the channel; return it as the history shows it."""
        with self._lock:
            self._last_ts = max(time.time(), self._last_ts + 0.000_001)  # a channel's timestamps are its messages' identifiers
            posted: dict[str, JsonValue] = {
                "type": "message",
                "user": BOT_USER,
                "bot_id": BOT,
                "team": TEAM,
                "ts": f"{self._last_ts:.6f}",
                "text": message.text,
                "blocks": message.blocks,
                "metadata": message.metadata,
                "channel": channel.id,
                "channel_name": channel.name,
            }
            self._messages.append(posted)
            _append(self._messages_file, posted)
        return posted

    def delete(self, channel: Channel, ts: str) -> bool:
        """The message does not stand in the channel any more; return whether it did."""
        with self._lock:
            deletion: dict[str, JsonValue] = {"type": _DELETED, "channel": channel.id, "ts": ts}
            before = len(self._messages)
            self._messages = _replayed([*self._messages, deletion])
            if len(self._messages) == before:
                return False
            _append(self._messages_file, deletion)
            return True

    def messages(self, channel: Channel | None = None) -> list[dict[str, JsonValue]]:
        """Return the messages of one channel or of all, oldest first."""
        with self._lock:
            return [message for message in self._messages if channel is None or message["channel"] == channel.id]

    def violate(self, *, method: str, error: str, details: Iterable[str]) -> None:
        """Remember a request that does not fit the vendor's schema."""
        violation: dict[str, JsonValue] = {"method": method, "error": error, "details": list(details)}
        with self._lock:
            self._violations.append(violation)
            _append(self._violations_file, violation)

    def violations(self) -> list[dict[str, JsonValue]]:
        """Return every request that did not fit, oldest first."""
        with self._lock:
            return list(self._violations)


def _replayed(events: Iterable[dict[str, JsonValue]]) -> list[dict[str, JsonValue]]:
    """Return the messages that stand after all that happened."""
    standing: list[dict[str, JsonValue]] = []
    for event in events:
        if event["type"] == _DELETED:
            standing = [message for message in standing if (message["channel"], message["ts"]) != (event["channel"], event["ts"])]
        else:
            standing.append(event)
    return standing


def _read(path: Path) -> Iterator[dict[str, JsonValue]]:
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _append(path: Path, value: dict[str, JsonValue]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(value, ensure_ascii=False)}\n")
