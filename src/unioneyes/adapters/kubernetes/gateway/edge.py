"""The edge port on Envoy Gateway: each change is one write of a policy, each proxy's word that it runs it, and a real request.

Both policies are always there, saying nothing while nothing is to be kept out: so each keeps its fencing token, and the proxies keep their filters, whose
coming and going would close the members' connections.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from ipaddress import ip_network

import httpx
from pydantic import BaseModel, Field, JsonValue, ValidationError

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.gateway.edge_running import Letting
from unioneyes.adapters.kubernetes.gateway.filed import BACKEND_TRAFFIC_POLICY, SECURITY_POLICY, Filed, FiledObject
from unioneyes.adapters.kubernetes.gateway.proxies import Proxies
from unioneyes.adapters.kubernetes.gateway.routes import NAMES, Names
from unioneyes.adapters.kubernetes.reached import for_edge
from unioneyes.kernel.units import format_duration
from unioneyes.ports.edge import UNITS, EdgeRejected, EdgeUnavailable, EdgeView, Network, RateLimit, collapsed, refuse_ours

RATE_LIMIT, DENY_LIST = "rate-limit-strict", "deny-list"
"""The policies' names; the first one is the document's."""
EVERYBODY = ("0.0.0.0/0", "::/0")
_CONFIRM_LIMIT = timedelta(seconds=10)
_ANSWER_LIMIT = timedelta(seconds=5)
_POLL_SECONDS = 0.02
_RULE = "denied"


class _Limit(BaseModel):
    requests: int
    unit: str


class _LimitRule(BaseModel):
    limit: _Limit


class _Local(BaseModel):
    rules: list[_LimitRule] = []


class _RateLimit(BaseModel):
    local: _Local = _Local()


class _Principal(BaseModel):
    networks: list[str] = Field(default=[], alias="clientCIDRs")


class _DenyRule(BaseModel):
    principal: _Principal = _Principal()


class _Authorization(BaseModel):
    rules: list[_DenyRule] = []


class _Spec(BaseModel):
    limit: _RateLimit = Field(default=_RateLimit(), alias="rateLimit")
    authorization: _Authorization = _Authorization()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayEdge:
    """The edge by two policies on the members' HTTPRoute. A value: threads may share it."""

    cluster: Cluster
    """Its namespace is the service's."""
    proxies_cluster: Cluster
    """The same cluster; its namespace is where Envoy Gateway runs its proxies."""
    members_url: str
    """What is asked to see that a change does what it should: a page that costs little, as members reach it."""
    own: tuple[Network, ...] = ()
    """Never kept out: our own networks, and those of whom the service depends on."""
    names: Names = NAMES
    gateway: str = "unioneyes-web"

    def view(self) -> EdgeView:
        """Return what the edge does now. Raises: EdgeUnavailable."""
        with for_edge():
            filed = Letting(limit=_limit(self._limits.read()), denied=frozenset(_denied(self._denials.read())))
            running = self._proxies.letting(self._proxies.ready())
            return EdgeView(limit=filed.limit, denied=collapsed(filed.denied), in_force=all(each == {filed} for each in running))

    def limit(self, limit: RateLimit | None) -> EdgeView:
        """Each client's address may make so many requests. See the port."""
        spec = self._limit_spec(limit)

        def answered() -> str:
            said = self._ask().headers.get("x-ratelimit-limit", "")
            allowed = said.partition(",")[0].strip()
            return "" if allowed == (str(limit.requests) if limit else "") else f"a real answer says that {allowed or 'any number of'} requests are allowed"

        self._change(self._limits, spec, lambda letting: letting.limit == limit, answered)
        return self.view()

    def describe_limit(self, limit: RateLimit | None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return (self._by_hand("backendtrafficpolicy", RATE_LIMIT, {"spec": {"rateLimit": None, **self._limit_spec(limit)}}),)

    def deny(self, networks: tuple[Network, ...]) -> EdgeView:
        """Requests from these networks, and from no other, are answered with 403. See the port."""
        wanted = collapsed(networks)
        self.require_others(wanted)

        def answered() -> str:
            return "we are kept out ourselves" if self._ask().status_code == HTTPStatus.FORBIDDEN else ""

        self._change(self._denials, self._deny_spec(wanted), lambda letting: letting.denied == frozenset(wanted), answered)
        return self.view()

    def describe_deny(self, networks: tuple[Network, ...]) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return (self._by_hand("securitypolicy", DENY_LIST, {"spec": self._deny_spec(collapsed(networks))}),)

    def require_others(self, networks: tuple[Network, ...]) -> None:
        """Return where none of these is ours. Raises: OwnNetwork."""
        refuse_ours(networks, self.own)

    @property
    def _limits(self) -> FiledObject:
        return FiledObject(cluster=self.cluster, kind=BACKEND_TRAFFIC_POLICY, name=RATE_LIMIT, owned=("targetRefs", "mergeType", "rateLimit"))

    @property
    def _denials(self) -> FiledObject:
        return FiledObject(cluster=self.cluster, kind=SECURITY_POLICY, name=DENY_LIST, owned=("targetRefs", "authorization"))

    @property
    def _proxies(self) -> Proxies:
        return Proxies(cluster=self.proxies_cluster, namespace=self.cluster.namespace, gateway=self.gateway, names=self.names)

    @property
    def _target(self) -> JsonValue:
        return [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": self.names.app}]

    def _limit_spec(self, limit: RateLimit | None) -> dict[str, JsonValue]:
        """Return what the policy says. Raises: BadLimit."""
        spec: dict[str, JsonValue] = {"targetRefs": self._target, "mergeType": "StrategicMerge"}
        if limit is None:
            return spec
        limit.require_countable()
        rules: list[JsonValue] = [
            {
                "clientSelectors": [{"sourceCIDR": {"type": "Distinct", "value": network}}],
                "limit": {"requests": limit.requests, "unit": UNITS[limit.per].capitalize()},
            }
            for network in EVERYBODY
        ]
        return {**spec, "rateLimit": {"type": "Local", "local": {"rules": rules}}}

    def _deny_spec(self, networks: tuple[Network, ...]) -> dict[str, JsonValue]:
        named: list[JsonValue] = [str(each) for each in networks]
        rules: list[JsonValue] = [{"name": _RULE, "action": "Deny", "principal": {"clientCIDRs": named}}] if named else []
        return {"targetRefs": self._target, "authorization": {"defaultAction": "Allow", "rules": rules}}

    def _change(self, what: FiledObject, spec: Mapping[str, JsonValue], runs: Callable[[Letting], bool], answered: Callable[[], str]) -> None:
        """The policy says `spec`, each proxy runs it, and a real request is answered as it should; else everything is as it was before."""
        with for_edge():
            pods = self._proxies.ready()

            def in_force() -> bool:
                return all(lettings and all(map(runs, lettings)) for lettings in self._proxies.letting(pods))

            def said(filed: Filed) -> Mapping[str, JsonValue] | None:
                same = {name: filed.spec.get(name) for name in what.owned if name in filed.spec}
                if json.dumps(same, sort_keys=True) != json.dumps(dict(spec), sort_keys=True) or not in_force():
                    return spec
                _look_again(answered)
                return None

            def taken(written: Filed) -> None:
                began = time.monotonic()
                while not in_force():
                    filed = what.read()
                    if filed.refused and filed.generation == written.generation:
                        raise EdgeRejected(what=f"the Gateway refused it: {filed.refused}", remedy="it was put back; see what that names")
                    if time.monotonic() > began + _CONFIRM_LIMIT.total_seconds():
                        raise EdgeRejected(
                            what=f"not every proxy does it after {format_duration(_CONFIRM_LIMIT)}",
                            remedy=f"it was put back; kubectl -n {self.proxies_cluster.namespace} get pods: does Envoy Gateway run?",
                        )
                    time.sleep(_POLL_SECONDS)
                if wrong := answered():
                    raise EdgeRejected(what=f"the proxies do it, but {wrong}", remedy="it was put back; see what stands between here and the Gateway")

            what.write(said, taken)

    def _ask(self) -> httpx.Response:
        """Return a real answer, as a member gets it. Raises: EdgeRejected: what can't be seen does not count."""
        try:
            with httpx.Client(timeout=_ANSWER_LIMIT.total_seconds(), trust_env=False) as client:
                return client.get(self.members_url)
        except httpx.HTTPError as error:
            raise EdgeRejected(
                what=f"{self.members_url} gives no answer: {type(error).__name__}", remedy="it was put back; see that members reach it"
            ) from error

    def _by_hand(self, kind: str, name: str, change: Mapping[str, JsonValue]) -> str:
        return shlex.join(("kubectl", "-n", self.cluster.namespace, "patch", kind, name, "--type=merge", f"--patch={json.dumps(change)}"))


def _limit(filed: Filed) -> RateLimit | None:
    """Return the limit that is filed; None where that is none of ours. Raises: EdgeUnavailable."""
    limits = {(rule.limit.requests, rule.limit.unit) for rule in _spec(filed).limit.local.rules}
    per = {unit.capitalize(): per for per, unit in UNITS.items()}  # as Envoy Gateway's RateLimitUnit writes them
    found = [RateLimit(requests=requests, per=per[unit]) for requests, unit in limits if unit in per]
    return found[0] if len(found) == 1 else None


def _denied(filed: Filed) -> tuple[Network, ...]:
    return tuple(ip_network(each) for rule in _spec(filed).authorization.rules for each in rule.principal.networks)


def _spec(filed: Filed) -> _Spec:
    try:
        return _Spec.model_validate(filed.spec)
    except ValidationError as error:
        raise EdgeUnavailable(
            what="a policy of the edge says something that is not known", remedy="kubectl apply --server-side -k the environment's overlay"
        ) from error


def _look_again(answered: Callable[[], str]) -> None:
    """Return where a real answer says nothing else, or there is none: whoever wrote it may have been killed before looking. Raises: EdgeRejected."""
    try:
        wrong = answered()
    except EdgeRejected:
        return
    if wrong:
        raise EdgeRejected(what=f"the proxies do it already, but {wrong}", remedy="ue edge status; nothing was changed")
