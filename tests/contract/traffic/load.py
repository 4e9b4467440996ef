"""Members who use the service while something happens to it."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.contract.processes.conftest import PATIENCE, eventually
from tests.contract.traffic.world import Door

MEMBERS = 4


class Load:
    """Members that ask again and again, on kept-alive connections or on a new one each time, and never try anything twice."""

    def __init__(self, door: Door, *, post_share: int = 5, kept_alive: bool = True) -> None:
        self._door = door
        self._kept_alive = kept_alive
        self._post_share = post_share
        self._over = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self.begun = 0
        self.latest: dict[str, int] = {}
        """The number of the last request with that outcome, in the order in which they began."""
        self._counting = threading.Lock()

    def wait_for(self, answers: int) -> None:
        wanted = self.outcomes.total() + answers
        eventually(lambda: self.outcomes.total() >= wanted)

    def ask(self) -> None:
        connection = http.client.HTTPConnection(self._door.host, self._door.port, timeout=PATIENCE.total_seconds())
        asked = 0
        while not self._over.is_set():
            asked += 1
            with self._counting:
                self.begun += 1
                number = self.begun
            try:
                connection.request("POST" if asked % self._post_share == 0 else "GET", "/", body=b"{}")
                answer = connection.getresponse()
                body = answer.read()
                waits = f" after {answer.headers['retry-after']}" if "retry-after" in answer.headers else ""
                outcome = json.loads(body)["version"] if answer.status == 200 else f"{answer.status}{waits}: {body.decode()}"
                if not self._kept_alive:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                outcome = repr(error)
                connection.close()
            with self._counting:
                self.outcomes[outcome] += 1
                self.latest[outcome] = max(number, self.latest.get(outcome, 0))
        connection.close()

    def end(self) -> None:
        self._over.set()


@contextmanager
def load(door: Door, *, post_share: int = 5, kept_alive: bool = True) -> Iterator[Load]:
    members_asking = Load(door, post_share=post_share, kept_alive=kept_alive)
    with ThreadPoolExecutor(max_workers=MEMBERS) as pool:
        asking = [pool.submit(members_asking.ask) for _ in range(MEMBERS)]
        try:
            yield members_asking
        finally:
            members_asking.end()
    for each in asking:
        each.result()
