"""What the API server refuses, and what keeps it from answering, as problems: what is wrong, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from http import HTTPStatus

import httpx2
from lightkube import ApiError

from unioneyes.kernel.problems import NotFound, Problem, Refused, Unavailable
from unioneyes.kernel.redaction import Redactor

APPLY = "kubectl apply --server-side -k k8s/overlays/<this environment's>"
"""Makes what an environment consists of, or what is missing of it."""
_LONGEST = 500
"""Characters of the API server's own words that are shown."""
_MISSING_RIGHT = re.compile(r'User "(?P<who>[^"]+)" cannot (?P<verb>[a-z]+) ')
"""Source: apiserver/pkg/endpoints/handlers/responsewriters, `forbiddenMessage`."""
_ACCOUNT = re.compile(r"system:serviceaccount:(?P<namespace>[^:]+):(?P<name>[^:]+)")
_redact = Redactor()


class ClusterUnavailable(Unavailable):
    """The API server does not answer, or not now."""


class Expired(ClusterUnavailable):
    """The API server does not know any more what changed since then (410): to be read anew."""


class PodSilent(Unavailable):
    """A pod, or the node that it stands on, does not answer what the API server passed on to it."""


class UnknownToCluster(Refused):
    """The API server does not know who asks: the credentials have expired, or are another cluster's."""


class MissingRight(Refused):
    """Who asks may not do this in the cluster."""


class NamespaceMissing(Refused):
    """The environment's namespace does not exist."""


class ObjectMissing(NotFound):
    """What was asked for does not exist in the cluster."""


class KindMissing(Refused):
    """The cluster does not know objects of this kind."""


class ChangedMeanwhile(Unavailable):
    """Somebody else changed the object between a look at it and the write: nothing was written. To be read again."""


class OwnedByAnother(Refused):
    """Another one's fields would have been overwritten: nothing was written."""


class NotAdmitted(Refused):
    """The cluster refuses the object: a quota, a policy, or what it says."""


class WrongCluster(Refused):
    """The kubeconfig leads to another cluster than the environment's: nothing was asked there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked of the API server."""

    verb: str
    """As in a Role: `get`, `list`, `patch`, ..."""
    resource: str
    """As in a Role and in `kubectl`: `deployments.apps`, `pods/log`."""
    namespace: str
    """Empty for what belongs to none."""
    name: str | None = None

    @property
    def of_pod(self) -> bool:
        """Whether the API server passes it on: to the pod (`pods/proxy`), or to the kubelet of its node (`pods/log`, `pods/exec`)."""
        return self.resource.startswith("pods/")

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.verb} {self.resource}{f' {self.name}' if self.name else ''}{self.where}"

    @property
    def where(self) -> str:
        """In which namespace, in words."""
        return f" in the namespace {self.namespace}" if self.namespace else ""


def unreachable(error: httpx2.TransportError, asked: Asked, server: str) -> Problem:
    """Return what kept the API server, or the pod to which it passes on what is asked, from answering."""
    said = str(error)
    if asked.of_pod and isinstance(error, httpx2.ReadTimeout):
        return _silent(asked, "in time")
    if isinstance(error, httpx2.TimeoutException):
        return ClusterUnavailable(what=f"the API server at {server} does not answer in time", remedy="see that it runs: kubectl get --raw /readyz")
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return ClusterUnavailable(
            what=f"what answers at {server} is not the API server that the kubeconfig's authority vouches for ({_short(said)})",
            remedy="see the context's server and certificate-authority; fetch the kubeconfig anew",
        )
    return ClusterUnavailable(
        what=f"the API server at {server} can't be reached ({_short(said) or type(error).__name__})",
        remedy="see that it runs and can be reached from here: kubectl get --raw /readyz",
    )


def refused(error: httpx2.HTTPStatusError, asked: Asked, server: str) -> Problem:
    """Return what the API server said no to, and why."""
    status, reason, said = _read(error)
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return UnknownToCluster(
                what=f"the API server at {server} does not know who asks: the credentials have expired, or belong to another cluster",
                remedy="sign in to the cluster again, or renew the service account's token; then the same again",
            )
        case HTTPStatus.FORBIDDEN:
            return _forbidden(asked, said)
        case HTTPStatus.NOT_FOUND:
            return _missing(asked, reason, said)
        case HTTPStatus.CONFLICT:
            return _conflict(asked, said)
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY | HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return NotAdmitted(what=f"the cluster does not admit to {asked}: {said}", remedy="correct what it names")
        case _:
            return _unwell(asked, status, f"the API server at {server} answers {status} to {asked}: {said}")


def _unwell(asked: Asked, status: int, said: str) -> Problem:
    if status == HTTPStatus.GONE:
        return Expired(what=f"the API server does not know any more what changed since then: {asked}", remedy="try again: it is read anew")
    for tells in ("error trying to reach service", "dial tcp"):
        if asked.of_pod and tells in said:
            return _silent(asked, f"({said.partition(tells)[2].strip(': ')})")
    return ClusterUnavailable(what=said, remedy="see how it is: kubectl get --raw /readyz")


def _silent(asked: Asked, how: str) -> PodSilent:
    return PodSilent(
        what=f"the pod {asked.name}, or its node, does not answer {how}: {asked.verb} {asked.resource}",
        remedy=f"kubectl get nodes; kubectl -n {asked.namespace} describe pod {asked.name}",
    )


def _forbidden(asked: Asked, said: str) -> Problem:
    if found := _MISSING_RIGHT.search(said):
        lacking = replace(asked, verb=found["verb"])  # of a web socket, Kubernetes' own word depends on its version
        return MissingRight(what=f"{found['who']} may not {lacking}", remedy=grant(lacking, found["who"]))
    return NotAdmitted(what=f"the cluster does not admit to {asked}: {said}", remedy="raise the quota, or meet the policy that it names; then the same again")


def _missing(asked: Asked, reason: str, said: str) -> Problem:
    if said.startswith('namespaces "') and asked.resource != "namespaces":
        return NamespaceMissing(what=f"there is no namespace {asked.namespace!r}", remedy=f"kubectl create namespace {asked.namespace}, then {APPLY}")
    if reason != "NotFound" or said.startswith("the server could not find the requested resource"):
        gateway = 'Envoy Gateway; or do without: [cluster] traffic = "selector"' if "gateway" in asked.resource else "what defines them"
        return KindMissing(what=f"the cluster knows no {asked.resource}", remedy=f"install {gateway}")
    return ObjectMissing(what=f"there is no {asked.resource} {asked.name or ''}{asked.where}", remedy=APPLY)


def _conflict(asked: Asked, said: str) -> Problem:
    if "Apply failed with" in said:
        return OwnedByAnother(
            what=f"somebody else set what {asked} would change: {said}",
            remedy="ask who did that; `kubectl get ... --show-managed-fields -o yaml` shows when",
        )
    return ChangedMeanwhile(what=f"it changed in the middle of it: {asked}", remedy="try again: it is read anew then")


def grant(asked: Asked, who: str) -> str:
    """Return what gives the right, as a person types it who may."""
    role = f"ue-{asked.verb}-{re.sub('[^a-z0-9]+', '-', asked.resource)}"
    account = _ACCOUNT.fullmatch(who)
    to = f"--serviceaccount={account['namespace']}:{account['name']}" if account else f"--user={who}"
    if not asked.namespace:
        bound = f"kubectl create clusterrolebinding {role} --clusterrole={role} {to}"
        return f"kubectl create clusterrole {role} --verb={asked.verb} --resource={asked.resource} && {bound}"
    return (
        f"kubectl -n {asked.namespace} create role {role} --verb={asked.verb} --resource={asked.resource} && "
        f"kubectl -n {asked.namespace} create rolebinding {role} --role={role} {to}"
    )


def _read(error: httpx2.HTTPStatusError) -> tuple[int, str, str]:
    if isinstance(error, ApiError) and error.status.code:
        return error.status.code, error.status.reason or "", _short(error.status.message or "")
    return error.response.status_code, "", _short(error.response.text)


def _short(text: str) -> str:
    text = " ".join(_redact(text).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
