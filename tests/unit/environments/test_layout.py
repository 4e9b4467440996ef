from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from unioneyes.environments.local.layout import ForeignFolder, Layout, require_own


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    made = Layout(tmp_path / "home")
    yield made
    for folder in (made.scratch, made.sockets):
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            folder.rmdir()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_home_and_the_sockets_are_closed_to_others(layout: Layout) -> None:
    layout.claim_home()
    layout.claim_sockets()

    assert {mode(folder) for folder in (layout.home, layout.secrets, layout.logs, layout.sockets, layout.scratch)} == {0o700}
    assert layout.marker.exists()


def test_claiming_twice_changes_nothing(layout: Layout) -> None:
    layout.claim_home()
    layout.claim_home()


def test_a_folder_with_foreign_files_is_refused_and_left_as_it_is(layout: Layout) -> None:
    layout.home.mkdir()
    (layout.home / "thesis.txt").write_text("mine")

    with pytest.raises(ForeignFolder, match="not of an embedded stack"):
        layout.claim_home()

    assert [entry.name for entry in layout.home.iterdir()] == ["thesis.txt"]


def test_a_folder_with_only_the_settings_is_taken(layout: Layout) -> None:
    layout.home.mkdir()
    layout.settings.write_text('bake = "1m"\n')

    layout.claim_home()

    assert layout.marker.exists()


def test_a_link_in_the_place_of_the_sockets_folder_is_refused(layout: Layout, tmp_path: Path) -> None:
    layout.sockets.symlink_to(tmp_path)

    with pytest.raises(ForeignFolder, match="is not a folder"):
        layout.claim_sockets()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    os.chown(folder, 65534, 65534)

    with pytest.raises(ForeignFolder, match="belongs to user 65534"):
        require_own(folder)


def test_sockets_fit_into_a_unix_address_however_long_the_home_is() -> None:
    deep = Layout(Path(tempfile.gettempdir()) / ("deep" * 40))

    assert len(bytes(deep.scratch / "backup_20260209_143000" / ".s.PGSQL.65535")) <= 107
    assert len(bytes(deep.sockets / "rehearsal-private.sock")) <= 107


def test_two_homes_have_two_sockets_folders() -> None:
    assert Layout(Path("/one")).sockets != Layout(Path("/two")).sockets
