"""The connection to an API server: what goes over it ends in time, and fails as a problem with a remedy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from threading import Lock
from typing import NamedTuple
from weakref import finalize

import httpx2
from httpx2.websockets import HTTPXWSException, WebSocketUpgradeError
from lightkube import ApiError, Client, KubeConfig
from lightkube.config.models import Cluster, User

from unioneyes.adapters.kubernetes.access import Access
from unioneyes.adapters.kubernetes.failures import Asked, ClusterUnavailable, PodSilent, WrongCluster, refused, unreachable
from unioneyes.adapters.kubernetes.transport import CONNECT_WITHIN, STREAMED, Transport, time_limit

FIELD_MANAGER = "unioneyes"
"""Whose the fields are that we set. Source: Kubernetes' documentation, "Server-Side Apply"."""


class _Open(NamedTuple):
    transport: Transport
    client: Client
    http: httpx2.Client


class Connection:
    """Opened when it is first used; kept for all threads; closed with whoever used it last."""

    def __init__(self, access: Callable[[], Access], *, namespace: str, server: str | None, time_limit: timedelta) -> None:
        """Reach the API server as `access` says; `server`, where given, must be its address."""
        self._access = access
        self._namespace = namespace
        self._server = server
        self._limit = time_limit
        self._lock = Lock()
        self._now: _Open | None = None
        self._closing: finalize[[_Open], Connection] | None = None

    @property
    def server(self) -> str:
        """The API server's address. Raises: NoAccess, WrongCluster."""
        return self._open().transport.server

    @property
    def limit(self) -> timedelta:
        """For a call that names no other."""
        return self._limit

    @contextmanager
    def used(self, asked: Asked, within: timedelta | None = None) -> Iterator[Client]:
        """Give what makes typed calls; each of them ends in time. Raises: the problems of `failures`, NoAccess."""
        with self._translated(asked), self._ended(within):
            yield self._open().client

    def send(
        self, asked: Asked, path: str, *, method: str = "GET", params: Mapping[str, str] | None = None, within: timedelta | None = None, passed_on: bool = False
    ) -> httpx2.Response:
        """Return the answer; of what is passed on to a pod, the pod's errors too. Raises: the problems of `failures`, NoAccess."""
        with self._translated(asked), self._ended(within):
            answer = self._open().http.request(method, path, params=dict(params) if params else None)  # an empty mapping would take the path's own query away
            if answer.is_error and not (passed_on and not _of_api_server(answer)):
                raise _as_status(answer)
            return answer

    def stream(self, asked: Asked, path: str, *, params: Mapping[str, str], within: timedelta) -> Iterator[str]:
        """Yield lines as they come, for so long at most, also where nothing comes. Raises: the problems of `failures`, NoAccess."""
        seconds = within.total_seconds()
        until = time.monotonic() + seconds
        limits = httpx2.Timeout(seconds, connect=min(CONNECT_WITHIN, max(seconds, 0.5)))
        begun = False
        try:
            with self._translated(asked), self._open().http.stream("GET", path, params=dict(params), timeout=limits, extensions={STREAMED: seconds}) as answer:
                if answer.is_error:
                    answer.read()
                    raise _as_status(answer)
                begun = True
                for line in answer.iter_lines():
                    yield line
                    if time.monotonic() > until:
                        return
        except (ClusterUnavailable, PodSilent) as problem:
            if begun and isinstance(problem.__cause__, httpx2.ReadTimeout):
                return
            raise

    def close(self) -> None:
        """It is closed; what is asked next opens another one."""
        with self._lock:
            if self._closing is not None:
                self._closing()
            self._now = self._closing = None

    @contextmanager
    def _ended(self, within: timedelta | None) -> Iterator[None]:
        before = time_limit.set(within or self._limit)
        try:
            yield
        finally:
            time_limit.reset(before)

    @contextmanager
    def _translated(self, asked: Asked) -> Iterator[None]:
        """Errors are problems. Of those, the cause of an answer that did not come in time is kept."""
        try:
            yield
        except httpx2.HTTPStatusError as error:
            raise refused(error, asked, self.server) from None
        except WebSocketUpgradeError as error:
            raise refused(_as_status(error.response), asked, self.server) from None
        except HTTPXWSException as error:
            raise ClusterUnavailable(what=f"the connection broke in the middle of: {asked} ({type(error).__name__})", remedy="try again") from None
        except httpx2.TransportError as error:
            raise unreachable(error, asked, self.server) from (error if isinstance(error, httpx2.ReadTimeout) else None)

    def _open(self) -> _Open:
        """Raises: NoAccess, WrongCluster."""
        with self._lock:
            if self._now is None:
                self._now = self._opened()
                self._closing = finalize(self, _close, self._now)
            return self._now

    def _opened(self) -> _Open:
        transport = Transport(partial(_checked, self._access, self._server))  # nothing of it knows this object, which would else never be let go
        # What lightkube would read of a kubeconfig, it would write into files; so it is given the transport, and no credentials.
        config = KubeConfig.from_one(cluster=Cluster(server=transport.server), user=User(), namespace=self._namespace)
        client = Client(config=config, namespace=self._namespace, field_manager=FIELD_MANAGER, trust_env=False, transport=transport)
        return _Open(transport, client, httpx2.Client(base_url=transport.server, transport=transport, trust_env=False))


def _close(opened: _Open) -> None:
    opened.client.close()
    opened.http.close()


def _checked(find: Callable[[], Access], server: str | None) -> Access:
    """Return the way to the API server, which is `server` where that is given. Raises: NoAccess, WrongCluster."""
    access = find()
    if server is not None and not access.in_pod and access.server.rstrip("/") != server.rstrip("/"):
        raise WrongCluster(
            what=f"the kubeconfig's context leads to {access.server}, and the environment's cluster is {server}",
            remedy="name the right context in the environment's [cluster], or correct its server; `kubectl config get-contexts` lists them",
        )
    return access


def _of_api_server(answer: httpx2.Response) -> bool:
    """Return whether it is the API server's own refusal, and not what a pod answered through it."""
    if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY}:
        return b'"kind":"Status"' in answer.content and b'"apiVersion":"v1"' in answer.content
    return False


def _as_status(answer: httpx2.Response) -> httpx2.HTTPStatusError:
    """Return the refusal, with what the API server says of it where that can be read."""
    if answer.headers.get("Content-Type", "").startswith("application/json"):
        return ApiError(request=answer.request, response=answer)
    return httpx2.HTTPStatusError(f"{answer.status_code}", request=answer.request, response=answer)
