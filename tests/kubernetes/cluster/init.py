"""The first process of a node: it gives the node folders of its own, and runs the programs that are wanted there.

It runs as process 1 of the node's namespaces: when it ends, however it ends, the kernel ends every process of the node, and takes back
its mounts and its network.

What is wanted stands in the folder `wanted`, one file for each program: written, it is started; ended, it is started again; removed, it is ended.
Standard library only.

    init.py FOLDER NAME
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

LOOKS_EVERY = 0.05
"""Seconds."""
STARTED_AGAIN_AFTER = 0.5
"""Seconds, so that a program that fails at once does not keep the machine busy."""
GRACE = 12.0
"""Seconds from the order to end to the kill: an API server waits ten for its clients."""
KERNEL = {
    "vm/overcommit_memory": "1",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What a kubelet sets for the whole machine. It finds it so already: in files that lie over the kernel's, which stay as they are."""


class Program:
    """One program that is wanted: its process, and when it may be started (again)."""

    def __init__(self, wanted: Path, logs: Path) -> None:
        self.wanted = wanted
        self.name = wanted.stem
        self._text = wanted.read_text()
        self._log = logs / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0
        self._kill_at = 0.0
        self.ended = 0
        """How often it ended by itself."""

    def still_wanted(self) -> bool:
        try:
            return self.wanted.read_text() == self._text
        except FileNotFoundError:
            return False

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def keep_running(self) -> None:
        """It runs, or will in a moment."""
        if self.running():
            return
        if self._process is not None:
            self._say(f"ended with {self._process.returncode}")
            self.ended += 1
            self._process, self._not_before = None, time.monotonic() + STARTED_AGAIN_AFTER
        if time.monotonic() < self._not_before:
            return
        description = json.loads(self._text)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                description["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=description["environment"], cwd="/", start_new_session=True
            )

    def keep_ending(self) -> None:
        """It was told to end, and is killed when it takes too long."""
        if self._process is None or not self.running():
            return
        if not self._kill_at:
            self._kill_at = time.monotonic() + GRACE
            self._process.terminate()
        elif time.monotonic() > self._kill_at:
            self._process.kill()

    def _say(self, words: str) -> None:
        with self._log.open("a") as log:
            log.write(f"# {self.name} {words}\n")


def have_own_folders(folder: Path) -> None:
    """The node's /proc, /run, /var/lib and /var/log are its own; what it mounts, nobody else sees.

    Of the machine's file system it may write the cluster's folder alone.
    """
    _mount("--make-rprivate", "/")
    _mount("--bind", str(folder.parent), str(folder.parent))
    _mount("-o", "remount,bind,ro", "/")
    _mount("-t", "proc", "proc", "/proc")
    _mount("-t", "tmpfs", "-o", "mode=755", "run", "/run")
    Path("/run/lock").mkdir()
    for own, name in (("lib", "/var/lib"), ("log", "/var/log")):
        (folder / own).mkdir(exist_ok=True)
        _mount("--bind", str(folder / own), name)
    kernel = folder / "kernel"
    for name, value in KERNEL.items():
        if not Path("/proc/sys", name).exists():
            continue
        file = kernel / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
        _mount("--bind", str(file), f"/proc/sys/{name}")
    _mount("--make-rshared", "/")


def supervise(folder: Path) -> None:
    """What is wanted runs, and nothing else, until the node ends."""
    wanted, logs = folder / "wanted", folder / "logs"
    programs: dict[str, Program] = {}
    ending: list[Program] = []
    shown = ""
    while True:
        for file in wanted.glob("*.json"):
            if file.stem not in programs and not any(program.name == file.stem for program in ending):
                programs[file.stem] = Program(file, logs)
        for program in tuple(programs.values()):
            if program.still_wanted():
                program.keep_running()
            else:
                ending.append(programs.pop(program.name))
        for program in ending:
            program.keep_ending()
        ending = [program for program in ending if program.running()]
        shown = _show(folder, (*programs.values(), *ending), shown)
        _reap_orphans({program.pid for program in (*programs.values(), *ending) if program.pid})
        time.sleep(LOOKS_EVERY)


def _show(folder: Path, programs: tuple[Program, ...], before: str) -> str:
    """What runs stands in `programs.json`: of each program, its process as the node counts, and how often it ended by itself. Return what stands there."""
    text = json.dumps({program.name: (program.pid if program.running() else None, program.ended) for program in programs})
    if text != before:
        partial = folder / "programs.partial"
        partial.write_text(text)
        partial.rename(folder / "programs.json")
    return text


def _reap_orphans(own: set[int]) -> None:
    """What the programs left is no zombie; their own ends are read by whoever started them."""
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in own:
            os.waitpid(ended.si_pid, 0)


def main() -> None:
    folder, name = Path(sys.argv[1]), sys.argv[2]
    process = str(Path("/proc/self").readlink())  # as the machine counts: the node's own /proc is not there yet
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    socket.sethostname(name)
    have_own_folders(folder)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    partial = folder / "init.partial"
    partial.write_text(process)
    partial.rename(folder / "init.pid")
    supervise(folder)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main()
