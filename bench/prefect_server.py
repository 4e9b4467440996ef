"""Prefect beside us: installed from its lock into an environment of its own, with a server of its own on the loopback interface.

Its database is SQLite, as it comes: on PostgreSQL it asks for an extension that the embedded server does not have.
"""

from __future__ import annotations

import os
import subprocess
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx

from measured import ROOT
from peers import HOST, NotMeasured, free_port, install

_HOME = ROOT / ".cache" / "peers" / "prefect"
_LOCK = ROOT / "requirements" / "prefect.txt"
_UP_WITHIN = 120
"""Seconds; its first start makes its tables."""


def prefect_python() -> Path:
    """Return the interpreter that has Prefect. Raises: NotMeasured."""
    python = _HOME / "bin" / "python"
    installed = _HOME / f"locked-{sha256(_LOCK.read_bytes()).hexdigest()[:16]}"
    if not installed.exists():
        venv.create(_HOME, clear=True, with_pip=True)
        install(str(python), "-I", "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", str(_LOCK))
        installed.touch()
    return python


def prefect_version() -> str:
    """Return which Prefect it is."""
    asked = subprocess.run(
        [prefect_python(), "-c", "from importlib.metadata import version; print(version('prefect'))"], capture_output=True, text=True, timeout=60, check=True
    )
    return asked.stdout.strip()


@contextmanager
def prefect_server(folder: Path) -> Iterator[Mapping[str, str]]:
    """Prefect's server runs, with its state in `folder`; give the environment that its clients need. Raises: NotMeasured."""
    python, port = prefect_python(), free_port()
    home = folder / "prefect"
    home.mkdir()
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "HOME": str(home),
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": "ERROR",  # of what is printed; the rest is as it comes
    }
    argv = (str(python), "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port), "--no-ui")
    with (home / "log").open("w") as log, subprocess.Popen(argv, stdout=log, stderr=log, env=environ) as process:
        try:
            _await(f"http://{HOST}:{port}/api/health", process, home / "log")
            yield environ
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _await(health: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + _UP_WITHIN
    while True:
        try:
            if httpx.get(health, timeout=2, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        if process.poll() is not None or time.monotonic() > give_up:
            raise NotMeasured(f"Prefect's server did not start: {log.read_text()[-300:]}")
        time.sleep(0.2)
