"""What builds images here, and pushes them: buildah, or docker."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from unioneyes.kernel.problems import Problem

WITHIN = timedelta(minutes=15)
"""One command, at most: a base is pulled, an image is pushed."""


@dataclass(kw_only=True, eq=False)
class NotBuilt(Problem):
    """An image was not built, or not pushed."""


class Tool(Protocol):
    """Builds and pushes. Raises: NotBuilt, from each method."""

    def ask(self, base: str, *command: str) -> str:
        """Return what `command` prints in an image `base`, which is pulled where it is not here."""

    def build(self, context: Path, tag: str, arguments: Mapping[str, str], *, created: int) -> None:
        """`tag` is the image of `context`'s Containerfile; `created` is the time that it and its files say they are of, in seconds since 1970.

        What differs from build to build stands in the Containerfile and not in `arguments`: buildah 1.28 takes a layer for the same when only the value
        of an argument in it is another one.
        """

    def push(self, tag: str, name: str) -> str:
        """`name` is in its registry; return its digest there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildah:
    """Needs no daemon. Where it keeps its layers is said by CONTAINERS_STORAGE_CONF, as always."""

    insecure: bool
    """Registries are asked by plain HTTP, too."""
    networks: Path
    """A folder for what it writes of networks, which else stands in /etc: nothing that is built here needs one."""

    def ask(self, base: str, *command: str) -> str:
        """Implements `Tool`."""
        container = self._run("from", "--quiet", self._tls(), self._networks(), base).strip()
        try:
            return self._run("run", *self._network(), container, "--", *command)
        finally:
            self._run("rm", container)

    def build(self, context: Path, tag: str, arguments: Mapping[str, str], *, created: int) -> None:
        """Implements `Tool`."""
        given = (f"--build-arg={name}={value}" for name, value in arguments.items())
        self._run("bud", "--quiet", "--layers", *self._network(), f"--timestamp={created}", self._tls(), *given, f"--tag={tag}", str(context))

    def push(self, tag: str, name: str) -> str:
        """Implements `Tool`."""
        with tempfile.TemporaryDirectory(prefix="ue-") as folder:
            digest = Path(folder) / "digest"
            self._run("push", "--quiet", self._tls(), f"--digestfile={digest}", tag, f"docker://{name}")
            return digest.read_text().strip()

    def _network(self) -> tuple[str, ...]:
        return "--network=host", self._networks()

    def _networks(self) -> str:
        return f"--cni-config-dir={self.networks}"

    def _tls(self) -> str:
        return f"--tls-verify={'false' if self.insecure else 'true'}"

    def _run(self, *words: str) -> str:
        return _run("buildah", *words, variables={"BUILDAH_ISOLATION": "chroot"})


@dataclass(frozen=True, slots=True)
class Docker:
    """Asks its daemon, which knows by its own configuration which registries answer by plain HTTP."""

    def ask(self, base: str, *command: str) -> str:
        """Implements `Tool`."""
        program, *arguments = command
        return _run("docker", "run", "--rm", "--network=none", f"--entrypoint={program}", base, *arguments)

    def build(self, context: Path, tag: str, arguments: Mapping[str, str], *, created: int) -> None:
        """Implements `Tool`."""
        given = (f"--build-arg={name}={value}" for name, value in {**arguments, "SOURCE_DATE_EPOCH": str(created)}.items())
        _run("docker", "build", "--quiet", "--network=none", *given, f"--tag={tag}", f"--file={context / 'Containerfile'}", str(context))

    def push(self, tag: str, name: str) -> str:
        """Implements `Tool`."""
        _run("docker", "tag", tag, name)
        _run("docker", "push", "--quiet", name)
        repository = name.rpartition(":")[0]
        for pushed in _run("docker", "image", "inspect", '--format={{join .RepoDigests "\\n"}}', name).split():
            if pushed.startswith(f"{repository}@"):
                return pushed.partition("@")[2]
        raise NotBuilt(what=f"docker does not say which digest {name} has", remedy="docker image inspect says what it knows")


def tool(*, insecure: bool, networks: Path) -> Tool:
    """Return what there is; CONTAINER_TOOL chooses where there are both. Raises: NotBuilt."""
    wanted = os.environ.get("CONTAINER_TOOL", "")
    if shutil.which("buildah") and wanted in {"", "buildah"}:
        return Buildah(insecure=insecure, networks=networks)
    if shutil.which("docker") and wanted in {"", "docker"}:
        return Docker()
    raise NotBuilt(what=f"there is {f'no {wanted}' if wanted else 'no buildah and no docker'}", remedy="install one (Debian, Ubuntu: apt-get install buildah)")


def _run(*command: str, variables: Mapping[str, str] | None = None) -> str:
    environment = {**(variables or {}), **os.environ}
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WITHIN.total_seconds(), check=False)
    except subprocess.TimeoutExpired:
        raise NotBuilt(what=f"{command[0]} {command[1]} took longer than {WITHIN}", remedy="try it by hand") from None
    if done.returncode:
        raise NotBuilt(what=f"{' '.join(command[:2])}: {done.stderr.strip()[-1000:]}", remedy="does the base image exist, and does the registry answer?")
    return done.stdout
