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

MEMBERS = 4


class Load:
    """Members that ask again and again, on kept-alive connections, and never try anything twice."""

    def __init__(self, port: int, *, post_share: int = 5) -> None:
        self._port = port
        self._post_share = post_share
        self._over = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self._counting = threading.Lock()

    def wait_for(self, answers: int) -> None:
        wanted = self.outcomes.total() + answers
        eventually(lambda: self.outcomes.total() >= wanted)

    def ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE.total_seconds())
        asked = 0
        while not self._over.is_set():
            asked += 1
            try:
                connection.request("POST" if asked % self._post_share == 0 else "GET", "/", body=b"{}")
                answer = connection.getresponse()
                body = answer.read()
                outcome = json.loads(body)["version"] if answer.status == 200 else f"{answer.status}: {body.decode()}"
            except (OSError, http.client.HTTPException) as error:
                outcome = repr(error)
                connection.close()
            with self._counting:
                self.outcomes[outcome] += 1
        connection.close()

    def end(self) -> None:
        self._over.set()


@contextmanager
def load(port: int, *, post_share: int = 5) -> Iterator[Load]:
    members_asking = Load(port, post_share=post_share)
    with ThreadPoolExecutor(max_workers=MEMBERS) as pool:
        asking = [pool.submit(members_asking.ask) for _ in range(MEMBERS)]
        try:
            yield members_asking
        finally:
            members_asking.end()
    for each in asking:
        each.result()
