from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unioneyes.claims.digest import CODE
from unioneyes.claims.faults import with_fault
from unioneyes.claims.problems import FaultNotAllowed
from unioneyes.claims.queries import read_queries
from unioneyes.claims.releases import Catalogue, migration_folders, newest_migration, query_generations, schema_hash
from unioneyes.ports.releases import Release, Releases, UnknownVersion

RELEASES: Releases = Catalogue()
EVERY = [pytest.param(release, id=release.version) for release in RELEASES.all()]


def test_the_honest_releases_come_first_and_then_one_for_each_fault() -> None:
    versions = [release.version for release in RELEASES.all()]
    assert versions[:2] == ["1.0.0", "1.1.0"]
    assert len(set(versions)) == len(versions)
    assert all(version == f"1.2.0-{release.fault}" for version, release in zip(versions[2:], RELEASES.all()[2:], strict=True))


def test_only_1_1_0_and_the_migration_faults_bring_a_migration_to_1_0_0() -> None:
    brings = {release.version: release.migration for release in RELEASES.all() if release.migration}
    assert brings == {
        "1.0.0": "0000_initial",
        "1.1.0": "0001_claim_deadlines",
        "1.2.0-broken-migration": "0002_claim_references",
        "1.2.0-incompatible-migration": "0002_claim_channel",
        "1.2.0-unsafe-migration": "0002_claims_by_priority",
    }


@pytest.mark.parametrize("release", EVERY)
def test_a_release_is_found_by_its_version_and_says_what_it_is(release: Release) -> None:
    assert RELEASES.get(release.version) == release
    assert release.note


def test_a_release_s_digest_is_another_one_for_another_version_and_for_any_other_source_of_the_service(tmp_path: Path) -> None:
    code = tmp_path / "unioneyes"
    shutil.copytree(CODE, code, ignore=shutil.ignore_patterns("__pycache__"))
    copied = Catalogue(code)
    first = copied.digest("1.1.0")
    assert first == RELEASES.digest("1.1.0"), "where it stands does not count"
    assert copied.digest("1.0.0") != first
    (code / "claims" / "__pycache__").mkdir()
    (code / "claims" / "__pycache__" / "api.pyc").write_bytes(b"cached")
    (code / "console" / "api.py").write_text("# no part of the service")
    assert copied.digest("1.1.0") == first
    for changed in ("claims/sql/1.1.sql", "claims/api.py", "kernel/problems.py"):
        with (code / changed).open("a") as file:
            file.write("\n")
        assert copied.digest("1.1.0") != first, changed
        first = copied.digest("1.1.0")


def test_an_unknown_version_is_told_with_the_known_ones() -> None:
    with pytest.raises(UnknownVersion, match=r"9\.9\.9.*1\.0\.0, 1\.1\.0"):
        RELEASES.get("9.9.9")


@pytest.mark.parametrize("release", EVERY)
def test_the_newest_migration_is_the_last_one_that_the_folders_carry_up_to_it(release: Release) -> None:
    tags = [tag for folder in migration_folders(release.version) for tag in journal(folder)]
    assert newest_migration(release.version) == release.schema
    assert release.schema in tags
    assert release.migration in {None, release.schema}
    if release.version != "1.0.0":
        assert tags[-1] == release.schema


@pytest.mark.parametrize("release", EVERY)
def test_each_folder_is_a_drizzle_folder_with_a_rollback_for_each_migration(release: Release) -> None:
    for folder in migration_folders(release.version):
        for tag in journal(folder):
            assert (folder / f"{tag}.sql").is_file()
            assert (folder / f"{tag[:4]}_rollback.sql").is_file()


@pytest.mark.parametrize("release", EVERY)
def test_migrations_stand_in_the_order_of_their_times_across_the_folders(release: Release) -> None:
    entries = [entry for folder in migration_folders(release.version) for entry in entries_of(folder)]
    assert [entry["idx"] for entry in entries] == list(range(len(entries)))
    whens = [int(str(entry["when"])) for entry in entries]
    assert whens == sorted(set(whens))


@pytest.mark.parametrize("release", EVERY)
def test_the_schemas_hash_is_the_one_that_drizzle_keeps(release: Release) -> None:
    file = migration_folders(release.version)[-1] / f"{release.schema}.sql"
    if release.version == "1.0.0":
        file = migration_folders("1.0.0")[0] / "0000_initial.sql"
    assert schema_hash(release.version) == hashlib.sha256(file.read_text().encode()).hexdigest()


@pytest.mark.parametrize("release", EVERY)
def test_every_release_has_all_its_queries(release: Release) -> None:
    assert read_queries(query_generations(release.version)).submit_claim.startswith(b"INSERT INTO claims")


@pytest.mark.parametrize("release", EVERY)
def test_no_fault_is_built_where_faults_are_not_allowed(release: Release) -> None:
    async def app(*_: object) -> None: ...

    if release.fault is None:
        assert with_fault(app, release.fault, allowed=False) is app
    else:
        with pytest.raises(FaultNotAllowed):
            with_fault(app, release.fault, allowed=False)


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        ("migrations/0001_claim_deadlines.sql", set[str]()),
        ("faults/broken-migration/0002_claim_references.sql", set[str]()),
        ("faults/incompatible-migration/0002_claim_channel.sql", set[str]()),
        ("faults/unsafe-migration/0002_claims_by_priority.sql", {"changing-column-type", "require-concurrent-index-creation"}),
    ],
)
def test_the_lint_refuses_the_unsafe_migration_and_no_other(path: str, rules: set[str]) -> None:
    squawk = Path(sys.executable).with_name("squawk")
    told_by_the_runner = ("--assume-in-transaction", "--exclude", "require-lock-timeout,require-statement-timeout")
    argv = (str(squawk), "--reporter", "json", *told_by_the_runner, str(migration_folders("1.0.0")[0].parent / path))
    found = json.loads(subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout)
    assert {finding["rule_name"] for finding in found} == rules


def entries_of(folder: Path) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = json.loads((folder / "meta/_journal.json").read_text())["entries"]
    return entries


def journal(folder: Path) -> list[str]:
    return [str(entry["tag"]) for entry in entries_of(folder)]
