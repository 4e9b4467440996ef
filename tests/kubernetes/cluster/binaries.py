"""The programs that Debian has no package of: built from their Go modules, once, into the cache.

`go/FAMILY/go.mod` says what is built, and in which version; `go.sum` beside it holds the hash of everything that goes in.
One module for each family, because they don't agree on versions.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.cluster.layout import cache
from unioneyes.kernel.problems import Problem

Say = Callable[[str], None]
_TELLS_EVERY = 15
"""Seconds."""
_COMPONENT = "k8s.io/component-base/version"
"""Where the programs of Kubernetes keep their version; the linker writes it there."""


@dataclass(kw_only=True, eq=False)
class NotBuilt(Problem):
    """A program could not be built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Programs that are built from one module."""

    name: str
    module: str
    programs: dict[str, str]
    """The package of each."""
    minutes: int
    """About how long it takes on two cores, with nothing cached."""
    files: tuple[str, ...] = ()
    """Files and folders of the module that are kept beside the programs."""
    stamped: bool = False
    """Its programs say which version they are only when the linker is told."""

    @property
    def sources(self) -> Path:
        return Path(__file__).parent / "go" / self.name

    @property
    def version(self) -> str:
        """The version that go.mod requires, such as v1.37.2."""
        found = re.search(rf"^(?:require )?\s*{re.escape(self.module)} (v\S+)", (self.sources / "go.mod").read_text(), re.MULTILINE)
        assert found, f"{self.module} is not required in {self.sources / 'go.mod'}"
        return found[1]

    @property
    def folder(self) -> Path:
        """Where its programs are kept: another one for each version, and whenever anything that goes in is another."""
        inputs = b"".join((self.sources / file).read_bytes() for file in ("go.mod", "go.sum")) + " ".join((self.linker_flags, *self.files)).encode()
        return cache() / f"{self.name}-{self.version}-{hashlib.sha256(inputs).hexdigest()[:12]}"

    @property
    def linker_flags(self) -> str:
        if not self.stamped:
            return "-s -w"
        major, minor, _ = self.version.removeprefix("v").split(".", 2)
        values = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        return " ".join(["-s -w", *(f"-X {_COMPONENT}.{name}={value}" for name, value in values.items())])


KUBERNETES = Family(
    name="kubernetes",
    module="k8s.io/kubernetes",
    programs={
        name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
    },
    minutes=8,
    stamped=True,
)
ETCD = Family(name="etcd", module="go.etcd.io/etcd/server/v3", programs={"etcd": "go.etcd.io/etcd/server/v3"}, minutes=1)
COREDNS = Family(name="coredns", module="github.com/coredns/coredns", programs={"coredns": "github.com/coredns/coredns"}, minutes=2)
METRICS_SERVER = Family(
    name="metrics-server", module="sigs.k8s.io/metrics-server", programs={"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"}, minutes=2
)
KUBE_ROUTER = Family(
    name="kube-router",
    module="github.com/cloudnativelabs/kube-router/v2",
    programs={"kube-router": "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"},
    minutes=2,
)
ENVOY_GATEWAY = Family(
    name="envoy-gateway",
    module="github.com/envoyproxy/gateway",
    programs={"envoy-gateway": "github.com/envoyproxy/gateway/cmd/envoy-gateway"},
    files=("charts/gateway-helm",),
    minutes=5,
)
HELM = Family(name="helm", module="helm.sh/helm/v3", programs={"helm": "helm.sh/helm/v3/cmd/helm"}, minutes=1)
KWOK = Family(name="kwok", module="sigs.k8s.io/kwok", programs={"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, files=("kustomize/stage",), minutes=1)
ARGO_ROLLOUTS = Family(
    name="argo-rollouts",
    module="github.com/argoproj/argo-rollouts",
    programs={"rollouts-controller": "github.com/argoproj/argo-rollouts/cmd/rollouts-controller"},
    files=("manifests/crds",),
    minutes=3,
)
FLAGGER = Family(
    name="flagger", module="github.com/fluxcd/flagger", programs={"flagger": "github.com/fluxcd/flagger/cmd/flagger"}, files=("artifacts/flagger",), minutes=1
)
FAMILIES = (ETCD, KUBERNETES, COREDNS, METRICS_SERVER, KUBE_ROUTER, ENVOY_GATEWAY, HELM, KWOK, ARGO_ROLLOUTS, FLAGGER)
"""The last two are part of no cluster: they are what ours is measured beside."""


def program(name: str) -> Path:
    """Return where that program stands once its family is built."""
    (family,) = (family for family in FAMILIES if name in family.programs)
    return family.folder / name


def build(families: tuple[Family, ...], say: Say) -> None:
    """The programs of the families are in the cache. Says what it builds and how far it is; says nothing when they are there. Raises: NotBuilt."""
    missing = [(family, name) for family in families for name in family.programs if not (family.folder / name).exists()]
    if not missing:
        return
    if shutil.which("go") is None:
        raise NotBuilt(what="there is no Go, which builds Kubernetes", remedy="install Go 1.26 or newer, and put `go` on PATH")
    affected = [family for family in families if any(family is each for each, _ in missing)]
    named, minutes = ", ".join(f"{family.name} {family.version}" for family in affected), sum(family.minutes for family in affected)
    say(f"building {named}: once, up to {minutes} min on two cores, kept in {cache()}")
    for family, name in missing:
        _build(family, name, say)


def _keep_files(family: Family) -> None:
    """What the module has beside code is kept, too."""
    listed = ["go", "list", "-m", "-f", "{{.Dir}}", family.module]
    module = Path(subprocess.run(listed, cwd=family.sources, capture_output=True, text=True, check=True).stdout.strip())
    for name in family.files:
        shutil.copytree(module / name, family.folder / name, dirs_exist_ok=True)


def _build(family: Family, name: str, say: Say) -> None:
    """The program is in the cache, whole or not at all."""
    family.folder.mkdir(parents=True, exist_ok=True)
    partial = family.folder / f".{name}.partial"
    command = ["go", "build", "-v", "-buildvcs=false", "-mod=readonly", "-ldflags", family.linker_flags, "-o", str(partial), family.programs[name]]
    began, told, compiled, said = time.monotonic(), time.monotonic(), 0, list[str]()
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    with subprocess.Popen(
        command, cwd=family.sources, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as building:
        assert building.stderr
        for line in building.stderr:  # one for each package that was compiled
            compiled, said = compiled + 1, [*said[-20:], line.rstrip()]
            if time.monotonic() - told > _TELLS_EVERY:
                told = time.monotonic()
                say(f"  {name}: {compiled:,} packages compiled, {told - began:.0f} s")
    if building.returncode:
        raise NotBuilt(what=f"{name} {family.version} could not be built:\n" + "\n".join(said), remedy=f"go on with it in {family.sources}")
    _keep_files(family)
    partial.rename(family.folder / name)
    say(f"  {name}: built in {time.monotonic() - began:.0f} s")
