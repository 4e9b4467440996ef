"""The images that every cluster begins with, built once: `pause`, which holds a pod's namespaces, and `base`, Python on a small Debian.

They are kept as the folder of a registry that they were pushed to.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection, create_server

from tests.kubernetes.cluster.binaries import NotBuilt, Say
from tests.kubernetes.cluster.layout import cache
from tests.kubernetes.cluster.registry import registry

_PAUSE = Path(__file__).with_name("pause.c")
_BASE = ("ca-certificates", "libpython3-stdlib", "python3-minimal")
_CONTAINERFILES = {
    "pause": 'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n',
    "base": 'FROM scratch\nADD base.tar /\nENV PATH=/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1\nUSER 65534:65534\nCMD ["python3"]\n',
}


def images() -> Path:
    """Return the folder of the registry that holds the images, once they are built."""
    inputs = (_PAUSE.read_text(), *_BASE, *_CONTAINERFILES.values(), _suite())
    return cache() / f"images-{hashlib.sha256('/'.join(inputs).encode()).hexdigest()[:12]}"


def build_images(say: Say) -> None:
    """The images are in the cache. Says that it builds them; says nothing when they are there. Raises: NotBuilt."""
    if images().exists():
        return
    began = time.monotonic()
    say(f"building the images pause and base (Python on {_suite()}), once")
    work = images().with_suffix(".partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    _run("gcc", "-Os", "-static", "-o", str(work / "pause"), str(_PAUSE))
    _run("mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(_BASE)}", _suite(), str(work / "base.tar"))
    with _registry(work) as address:
        buildah = ("buildah", "--storage-driver=vfs", f"--root={work / 'storage'}", f"--runroot={work / 'run'}")
        for name, containerfile in _CONTAINERFILES.items():
            (work / name).with_suffix(".containerfile").write_text(containerfile)
            options = ("--quiet", f"--cni-config-dir={work / 'networks'}", f"--tag={address}/{name}", f"--file={work / name}.containerfile")
            _run(*buildah, "bud", *options, str(work))
            _run(*buildah, "push", "--quiet", "--tls-verify=false", f"{address}/{name}")
    (work / "registry").rename(images())
    shutil.rmtree(work)
    say(f"  images: built in {time.monotonic() - began:.0f} s")


@contextmanager
def _registry(work: Path) -> Iterator[str]:
    """Give the address of a registry on this machine, which keeps everything in `work`, and has ended afterwards."""
    with create_server(("127.0.0.1", 0)) as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
    serving = registry(work / "registry.json", work / "registry", address)
    with (work / "registry.log").open("wb") as log, subprocess.Popen(serving.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
        try:
            give_up = time.monotonic() + 10
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
