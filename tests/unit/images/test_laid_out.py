"""An image is laid out from what stands here, and from nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from containers import NotBuilt, tool
from images import SERVICE, lay_out, parse

ROOT = Path(__file__).parents[3]


def test_the_services_context_holds_the_service_alone(tmp_path: Path) -> None:
    packages, context = tmp_path / "packages", tmp_path / "context"
    packages.mkdir()
    (packages / "one.py").touch()
    (context / "left").mkdir(parents=True)
    lay_out(SERVICE, context, packages)
    assert {path.name for path in context.iterdir()} == {"Containerfile", "packages", "program"}
    assert {path.name for path in (context / "program/unioneyes").iterdir()} == {"__init__.py", "py.typed", "_project", "claims", "kernel", "ports"}
    assert {path.name for path in (context / "program/unioneyes/_project/db").iterdir()} == {"migrations", "faults"}
    assert list(context.rglob("__pycache__")) == []


def test_a_replica_finds_in_its_context_all_that_it_reads(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    lay_out(SERVICE, tmp_path / "context", tmp_path / "packages")
    read = "from unioneyes.claims.releases import *; print(*(schema_hash(release.version) for release in Catalogue().all()))"
    said = [
        subprocess.run([sys.executable, "-P", "-c", read], env={**os.environ, "PYTHONPATH": str(path)}, cwd="/", capture_output=True, text=True, check=True)
        for path in (tmp_path / "context/program", ROOT / "src")
    ]
    assert said[0].stdout == said[1].stdout != ""
    assert (
        str(tmp_path)
        in subprocess.run(
            [sys.executable, "-P", "-c", "import unioneyes; print(unioneyes.__file__)"],
            env={**os.environ, "PYTHONPATH": str(tmp_path / "context/program")},
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )


def test_the_newest_honest_version_is_built_where_none_is_named() -> None:
    asked, insecure = parse(["service"])
    assert (asked.images, asked.versions, asked.push, insecure) == (("service",), ("1.1.0",), "", False)


def test_both_images_are_built_where_none_is_named() -> None:
    assert parse(["--push", "registry.example.org/unioneyes/"])[0].images == ("service", "control-plane")
    assert parse(["--push", "registry.example.org/unioneyes/"])[0].push == "registry.example.org/unioneyes"


def test_a_version_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["service", "--version", "9.9.9"])
    assert "no version of the service: 9.9.9 (one of 1.0.0, 1.1.0," in capsys.readouterr().err


def test_where_nothing_builds_images_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CONTAINER_TOOL", raising=False)
    with pytest.raises(NotBuilt, match="no buildah and no docker"):
        tool(insecure=False, networks=tmp_path)
    monkeypatch.setenv("CONTAINER_TOOL", "docker")
    with pytest.raises(NotBuilt, match="there is no docker"):
        tool(insecure=False, networks=tmp_path)


def test_what_a_tool_says_when_it_fails_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    buildah = tmp_path / "buildah"
    buildah.write_text("#!/bin/sh\necho 'no such image' >&2\nexit 125\n")
    buildah.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CONTAINER_TOOL", raising=False)
    with pytest.raises(NotBuilt, match="buildah from: no such image"):
        tool(insecure=False, networks=tmp_path).ask("nowhere/base", "python3")
