"""The images of the service and of the control plane, each with a bill of materials beside it; `make image` calls this.

One line for each image on stdout: its name, its version, and its reference; by digest where it was pushed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from containers import WITHIN, NotBuilt, Tool, tool
from materials import Base, bill_of_materials
from unioneyes.claims.releases import Catalogue
from unioneyes.kernel.problems import BadInput, Problem

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache/images"
BASE = "python:3.13-slim"
SERVICE, CONTROL_PLANE = "service", "control-plane"
TITLES = {SERVICE: "unioneyes-web", CONTROL_PLANE: "unioneyes-control-plane"}
"""What each is called where nothing else is said."""
_SERVICES_PARTS = ("__init__.py", "py.typed", "claims", "kernel", "ports")
"""Of the product's package: what a replica may import. `claims/digest.py` says the same of what a release is made of."""
_SERVICES_FILES = ("db/migrations", "db/faults")
_PROGRAM = b"\x7fELF"
"""How a program begins."""
_OLDEST_GLIBC, _GLIBC = 5, "manylinux_2_{minor}_{machine}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be built."""

    images: tuple[str, ...]
    base: str
    versions: tuple[str, ...]
    """Of the service."""
    push: str
    """A repository, `registry/name`; empty: nothing is pushed. With several images, each is pushed to `registry/name/<image>`."""


def main(words: list[str]) -> int:
    """Build, and print one line for each image."""
    asked, insecure = parse(words)
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        with (CACHE / "lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # what is laid out is laid out for one at a time
            return _build_all(asked, insecure=insecure)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code


def _build_all(asked: Asked, *, insecure: bool) -> int:
    with_tool = tool(insecure=insecure, networks=CACHE / "networks")
    base = Base.model_validate_json(with_tool.ask(asked.base, "python3", "-c", (ROOT / ".ci/probe.py").read_text()))
    for image in asked.images:
        for version, reference in _build(image, asked, base, with_tool):
            print(image, version, reference, flush=True)
    return 0


def _build(image: str, asked: Asked, base: Base, with_tool: Tool) -> Iterator[tuple[str, str]]:
    """Give the version and reference of each image, as soon as there is one."""
    context, created = CACHE / image, _changed_at()
    lay_out(image, context, _packages(image, base))
    whole = f"localhost/{TITLES[image]}"
    with_tool.build(context, whole, {"BASE": asked.base}, created=created)
    for version in asked.versions if image == SERVICE else (_own_version(),):
        tag = f"{whole}:{version}"
        with_tool.build(_versioned(image, whole, version), tag, {}, created=created)
        reference = tag
        if asked.push:
            repository = asked.push if len(asked.images) == 1 else f"{asked.push}/{TITLES[image]}"
            reference = f"{repository}@{with_tool.push(tag, f'{repository}:{version}')}"
        bill = bill_of_materials(name=TITLES[image], version=version, packages=context / "packages", base=base, base_image=asked.base, image=reference)
        (CACHE / f"{TITLES[image]}-{version}.cdx.json").write_text(bill)
        yield version, reference


def _versioned(image: str, whole: str, version: str) -> Path:
    """Return the context of `version`: the image `whole`, which says what it is."""
    context = CACHE / f"{image}-{version}"
    context.mkdir(exist_ok=True)
    says = f"ENV CLAIMS_VERSION={version}\n" if image == SERVICE else ""
    (context / "Containerfile").write_text(f'FROM {whole}\n{says}LABEL org.opencontainers.image.version="{version}"\n')
    return context


def lay_out(image: str, context: Path, packages: Path) -> None:
    """`context` holds the Containerfile and what it copies, and nothing else."""
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(ROOT / "k8s/images" / image, context)
    shutil.copytree(packages, context / "packages")
    program = context / "program"
    if image == CONTROL_PLANE:
        _install_own_wheel(program)
        return
    for part in _SERVICES_PARTS:
        _copy(ROOT / "src/unioneyes" / part, program / "unioneyes" / part)
    for folder in _SERVICES_FILES:
        _copy(ROOT / folder, program / "unioneyes/_project" / folder)


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to)


def _install_own_wheel(to: Path) -> None:
    wheels = CACHE / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    _run(str(Path(sys.executable).with_name("hatchling")), "build", "--target", "wheel", "--directory", str(wheels))
    (wheel,) = wheels.glob("*.whl")
    _install(to, "--no-index", "--no-deps", str(wheel))


def _packages(image: str, base: Base) -> Path:
    """Return a folder of the packages that the image's lock names, for the interpreter and the C library of the base; kept for the next time."""
    lock = ROOT / "requirements" / f"{image}.txt"
    made_for = json.dumps([lock.read_text(), base.python, base.glibc, base.machine])
    folder = CACHE / f"packages-{image}-{hashlib.sha256(made_for.encode()).hexdigest()[:12]}"
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        minors = range(int(base.glibc.partition(".")[2]), _OLDEST_GLIBC - 1, -1)
        platforms = (f"--platform={_GLIBC.format(minor=minor, machine=base.machine)}" for minor in minors)
        interpreter = (f"--python-version={base.python}", "--implementation=cp")
        _install(partial, *interpreter, *platforms, "--require-hashes", "--only-binary=:all:", f"--requirement={lock}")
        partial.rename(folder)
    return folder


def _install(to: Path, *words: str) -> None:
    """Packages are installed in the folder `to`; of their commands those that are programs: scripts would name this machine's interpreter."""
    _run(sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-compile", f"--target={to}", *words)
    for command in (to / "bin").glob("*"):
        if not command.read_bytes().startswith(_PROGRAM):
            command.unlink()


def _own_version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def _changed_at() -> int:
    """Return when the code was committed, in seconds since 1970: the same code makes the same image, whenever it is built. SOURCE_DATE_EPOCH says otherwise."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or _run("git", "-C", str(ROOT), "log", "-1", "--format=%ct"))


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WITHIN.total_seconds(), check=False)
    except subprocess.TimeoutExpired:
        raise NotBuilt(what=f"{Path(command[0]).name} {command[1]} took longer than {WITHIN}", remedy="try the command by hand") from None
    if done.returncode:
        raise NotBuilt(what=f"{Path(command[0]).name} {command[1]}: {(done.stderr or done.stdout).strip()[-1000:]}", remedy="try the command by hand")
    return done.stdout


def parse(words: list[str]) -> tuple[Asked, bool]:
    """Return what is asked for, and whether registries may be asked by plain HTTP. Raises: SystemExit, once it was said what is wrong."""
    parser = argparse.ArgumentParser(prog="make image", description=__doc__)
    parser.add_argument("images", nargs="*", choices=(SERVICE, CONTROL_PLANE, []), help="both, where none is named")
    parser.add_argument("--base", default=BASE, help="an image with Python 3.11 to 3.14, and nothing that the programs need beside")
    parser.add_argument("--version", action="append", default=[], help="a version of the service; the newest honest one where none is named")
    parser.add_argument("--push", default="", metavar="REGISTRY/NAME")
    parser.add_argument("--insecure", action="store_true", help="registries are asked by plain HTTP, too")
    given = parser.parse_args(words)
    known = {release.version: release for release in Catalogue().all()}
    if unknown := set(given.version) - known.keys():
        parser.error(str(BadInput(what=f"no version of the service: {', '.join(sorted(unknown))}", remedy=f"one of {', '.join(known)}")))
    newest = [version for version, release in known.items() if release.fault is None][-1]
    asked = Asked(
        images=tuple(given.images) or (SERVICE, CONTROL_PLANE), base=given.base, versions=tuple(given.version) or (newest,), push=given.push.rstrip("/")
    )
    return asked, given.insecure


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
