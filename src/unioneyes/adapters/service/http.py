"""The operated service over HTTP. Implements `ports.service.Service`."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from ssl import SSLContext

import httpx
from pydantic import SecretStr, ValidationError

from unioneyes.adapters.service.health import HealthDocument
from unioneyes.adapters.service.smoke import run_smoke
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.clock import Deadline, now
from unioneyes.kernel.problems import Unavailable
from unioneyes.ports.service import Health, HealthCheck, HealthStatus, Probe, ServiceUnavailable, SmokeCheck, SmokeReport
from unioneyes.ports.traffic import Colour

PROBE_LIMITS = httpx.Timeout(connect=1, write=1, pool=0, read=5)
"""Seconds; with the token's time limit, the 10 s that the port allows a probe."""
HEALTH_LIMITS = httpx.Timeout(5)
WAY_WITHIN = timedelta(seconds=10)
"""How far a node's proxy may be behind a colour's replicas: on a busy machine, more than a second was seen."""
_LOOK_SECONDS = 0.1
_SERVER_ERROR = 500
_SERVICE_UNAVAILABLE = 503
VERSION_HEADER = "x-ue-version"
UNKNOWN_VERSION = "unknown"
"""Of a service that does not say it, where nobody else knows either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpService:
    """The members' address, and others where a colour is tried."""

    public_url: str
    """The way members take, such as `https://api.unioneyes.app`."""
    preview_urls: Mapping[Colour, str]
    """Where each colour is tried, reached by no member; where that is the same address, `preview_header` picks the colour."""
    preview_header: str = "x-preview"
    health_path: str = "/api/health"
    probe_path: str
    """What a probe asks for: a reading request that members make often."""
    probe_token: Callable[[], SecretStr] | None
    """Where a probe gets its session token; None when `probe_path` needs none."""
    smoke_command: tuple[str, ...]
    """The service's smoke tests; `--url URL` and `--header 'NAME: VALUE'` are added. Where there are none, the health report has to do."""
    stands: Callable[[Colour | None], str | None] | None = None
    """Says which version answers members, or stands on a colour. Where it is given, the service makes no report: its health path's status alone counts."""

    def url(self, via: Colour | None = None) -> str:
        """Return the address."""
        return self.public_url if via is None else self.preview_urls[via]

    def health(self, via: Colour | None = None) -> Health:
        """Return the health report, also an unhealthy one. Raises: ServiceUnavailable when none comes."""
        url = f"{self.url(via)}{self.health_path}"
        try:
            with _client(HEALTH_LIMITS) as client:
                answer = client.get(url, headers=self._headers(via))
        except httpx.HTTPError as error:
            raise ServiceUnavailable(what=f"{url} gives no answer: {type(error).__name__}", remedy=f"try: {self._curl(via)}") from error
        if self.stands is not None:
            return self._by_status(answer, self.stands(via))
        try:
            report = HealthDocument.model_validate(answer.json()).value()
        except (json.JSONDecodeError, UnicodeDecodeError, ValidationError) as error:
            raise ServiceUnavailable(what=f"{url} answers {answer.status_code} without a health report", remedy=f"try: {self._curl(via)}") from error
        expected = _SERVICE_UNAVAILABLE if report.status is HealthStatus.UNHEALTHY else httpx.codes.OK
        if answer.status_code != expected:
            raise ServiceUnavailable(what=f"{url} says {report.status} and answers {answer.status_code}", remedy=f"believe neither; try: {self._curl(via)}")
        return report

    def _by_status(self, answer: httpx.Response, version: str | None) -> Health:
        """Return what an answer without a report says: that the service is well, or that it is not."""
        status = HealthStatus.HEALTHY if answer.is_success else HealthStatus.UNHEALTHY
        error = None if answer.is_success else f"it answers {answer.status_code}"
        check = HealthCheck(name=self.health_path, status=status, response_time=answer.elapsed, error=error)
        return Health(status=status, version=version or UNKNOWN_VERSION, uptime=timedelta(0), checks=(check,), at=now())

    def probe(self, via: Colour) -> Probe:
        """Make one synthetic request; a failure is a result, not an error. At most 10 s."""
        headers = {**self._headers(via), **self._authorization()}
        at, started = now(), time.monotonic()
        status = version = None
        try:
            with _client(PROBE_LIMITS) as client:
                answer = client.get(f"{self.url(via)}{self.probe_path}", headers=headers)
            status, version = answer.status_code, answer.headers.get(VERSION_HEADER)
        except httpx.HTTPError:
            pass  # no answer: that is what the probe says
        took = timedelta(seconds=time.monotonic() - started)
        return Probe(at=at, ok=status is not None and status < _SERVER_ERROR, status=status, took=took, version=version)

    def smoke(self, *, url: str | None = None, via: Colour | None = None, within: timedelta) -> SmokeReport:
        """Run the service's own end-to-end flows against `url`, or `via` a colour. Failures are results.

        A colour's way may be a moment behind its replicas: a node's proxy learns of them after they are ready. So it is waited for, and no flow is.
        Raises: SmokeUnavailable when the tests themselves could not run.
        """
        if via is not None:
            self._await_way(via, within=min(within, WAY_WITHIN))
        return run_smoke(self._smoke_command(url, via), within=within) if self.smoke_command else self._health_alone(url, via)

    def describe_smoke(self, via: Colour | None = None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return (shlex.join(self._smoke_command(None, via)) if self.smoke_command else self._curl(via),)

    def _await_way(self, via: Colour, *, within: timedelta) -> None:
        """Somebody listens at the colour's address, whatever he answers; or the time is up, and the flows say so."""
        deadline = Deadline.after(within)
        while not deadline.passed:
            try:
                with _client(PROBE_LIMITS) as client:
                    client.get(f"{self.url(via)}{self.health_path}", headers=self._headers(via))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                sleep(_LOOK_SECONDS)
            except httpx.HTTPError:
                return  # there is a way; what is at its end is the flows' matter
            else:
                return

    def _health_alone(self, url: str | None, via: Colour | None) -> SmokeReport:
        """Return the report of the one flow that every service has. No answer is a result too."""
        asked, began = url or self.url(via), time.monotonic()
        version, detail = None, ""
        try:
            report = replace(self, public_url=asked).health() if url else self.health(via)
            version, detail = report.version, "unhealthy" if report.status is HealthStatus.UNHEALTHY else ""
        except ServiceUnavailable as problem:
            detail = problem.what
        took = timedelta(seconds=time.monotonic() - began)
        return SmokeReport(url=asked, version=version, checks=(SmokeCheck(name="health", ok=not detail, took=took, detail=detail),), took=took)

    def _smoke_command(self, url: str | None, via: Colour | None) -> tuple[str, ...]:
        header = ("--header", f"{self.preview_header}: {via}") if via is not None else ()
        return (*self.smoke_command, "--url", url or self.url(via), *header)

    def _headers(self, via: Colour | None) -> dict[str, str]:
        return {} if via is None else {self.preview_header: str(via)}

    def _authorization(self) -> dict[str, str]:
        """Return the probe's credentials; none when the issuer gives none: then a 401 is the answer, and the service is not blamed for the issuer."""
        if self.probe_token is None:
            return {}
        try:
            return {"Authorization": f"Bearer {self.probe_token().get_secret_value()}"}
        except Unavailable:
            return {}

    def _curl(self, via: Colour | None) -> str:
        header = ("-H", f"{self.preview_header}: {via}") if via is not None else ()
        return shlex.join(("curl", *header, f"{self.url(via)}{self.health_path}"))


def _client(limits: httpx.Timeout) -> httpx.Client:
    """Return a client for one request: on a connection of its own, it does not inherit an older one's fate; a proxy would be measured instead."""
    return httpx.Client(timeout=limits, trust_env=False, verify=_certificates())


@cache
def _certificates() -> SSLContext:
    return httpx.create_ssl_context(trust_env=False)
