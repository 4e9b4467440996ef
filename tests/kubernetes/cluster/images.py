"""The images that a cluster begins with, built once: `pause`, `base`, Python and hardly more, `debian`, and what its parts bring.

They are kept as the folder of a registry that they were pushed to.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, create_server

from tests.kubernetes.cluster.binaries import NotBuilt, Say
from tests.kubernetes.cluster.layout import cache
from tests.kubernetes.cluster.registry import registry

_PAUSE = Path(__file__).with_name("pause.c")
_BASE = ("ca-certificates", "libpython3-stdlib", "python3-minimal")
"""No shell, and no program but Python's."""
_DEBIAN = (*_BASE, "dash", "libstdc++6", "util-linux")
"""What every Debian has, and the control plane takes: greenlet the library, PostgreSQL the rest."""
_FROM = 'FROM scratch\nADD {tar} /\nENV PATH=/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1\nUSER 65534:65534\nCMD ["python3"]\n'
_CORE = {
    "pause": 'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n',
    "base": _FROM.format(tar="base.tar"),
    "debian": _FROM.format(tar="debian.tar"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of programs: `base`, and these."""

    name: str
    programs: tuple[Path, ...]
    """Each stands in a folder that is called by its version, or has another size in another version. The first one is what the image runs."""

    def containerfile(self, registry_address: str) -> str:
        copied = "".join(f"COPY {program.name} /usr/local/bin/\n" for program in self.programs)
        return f'FROM {registry_address}/base\n{copied}USER 65532:65532\nENTRYPOINT ["{self.programs[0].name}"]\n'


def images(more: tuple[Image, ...] = ()) -> Path:
    """Return the folder of the registry that holds the images, once they are built."""
    inputs = [_PAUSE.read_text(), *_DEBIAN, *_CORE.values(), _suite()]
    for image in more:
        inputs += [image.containerfile(""), *(f"{program.parent.name}/{program.name}: {program.stat().st_size}" for program in image.programs)]
    return cache() / f"images-{hashlib.sha256('/'.join(inputs).encode()).hexdigest()[:12]}"


def build_images(more: tuple[Image, ...], say: Say) -> None:
    """The images are in the cache. Says that it builds them; says nothing when they are there. Raises: NotBuilt."""
    if not images().exists():
        _build(images(), "pause, base and debian", _build_core, say)
    if not images(more).exists():
        _build(images(more), ", ".join(image.name for image in more), lambda work: _build_more(work, more), say)


def _build(kept: Path, named: str, build: Callable[[Path], None], say: Say) -> None:
    began = time.monotonic()
    say(f"building images, once: {named}")
    work = kept.with_suffix(".partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    build(work)
    (work / "registry").rename(kept)
    shutil.rmtree(work)
    say(f"  images: built in {time.monotonic() - began:.0f} s")


def _build_core(work: Path) -> None:
    _run("gcc", "-Os", "-static", "-o", str(work / "pause"), str(_PAUSE))
    for tar, packages in (("base.tar", _BASE), ("debian.tar", _DEBIAN)):
        _run("mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(packages)}", _suite(), str(work / tar))
    with _registry(work) as address:
        for name, containerfile in _CORE.items():
            _push(work, f"{address}/{name}", containerfile)


def _build_more(work: Path, more: tuple[Image, ...]) -> None:
    with _registry(work, images()) as address:
        for image in more:
            for program in image.programs:
                shutil.copy(program, work)
            _push(work, f"{address}/{image.name}", image.containerfile(address))


def _push(work: Path, name: str, containerfile: str) -> None:
    """The image was built from what stands in `work`, and pushed."""
    (work / "Containerfile").write_text(containerfile)
    (work / ".containerignore").write_text("storage\nrun\nregistry\n")
    buildah = ("buildah", "--storage-driver=vfs", f"--root={work / 'storage'}", f"--runroot={work / 'run'}")
    _run(*buildah, "bud", "--quiet", "--tls-verify=false", f"--cni-config-dir={work / 'networks'}", f"--tag={name}", str(work))
    _run(*buildah, "push", "--quiet", "--tls-verify=false", name)


@contextmanager
def _registry(work: Path, begun: Path | None = None) -> Iterator[str]:
    """Give the address of a registry on this machine, which keeps everything in `work`, and has ended afterwards."""
    with create_server(("127.0.0.1", 0)) as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
    serving = registry(work / "registry.json", work / "registry", address, images=begun)
    with (work / "registry.log").open("wb") as log, subprocess.Popen(serving.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
        try:
            give_up = time.monotonic() + 30
            while not _answers(address):
                if process.poll() is not None or time.monotonic() > give_up:
                    raise NotBuilt(what=f"the registry did not start: {(work / 'registry.log').read_text()[-300:]}", remedy="try docker-registry by hand")
                time.sleep(0.02)
            yield address
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _suite() -> str:
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotBuilt(what=f"{' '.join(command)}: {done.stderr.strip()[-500:]}", remedy="try the command by hand")
