"""Disks that refuse: real ones, under real sidecars.

Each time the reason is told, what was there before is intact, and after the repair the download
goes on without fetching verified chunks again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lanspread.peer.v1.types_pb2 import (
    DOWNLOAD_STATE_FINISHED,
    DOWNLOAD_STATE_PAUSED,
    Download,
)
from lanspread_client import LanspreadError
from lanspread_peer.model.limits import MAX_RUN_BYTES
from support.game_trees import differences, make_game, shared_files
from support.mounts import (
    filled_up,
    in_use,
    moved_away,
    needs_mounts,
    read_only,
    small_disk,
    unchangeable,
)
from support.processes import SidecarProcess, wait_for

MEGABYTES = 96
# Four seconds of it, so that the disk refuses in the middle and not after the end.
BYTES_PER_SECOND = MEGABYTES * 2**20 // 4
# What may be under way when the disk says no: all that one source is asked for at a time.
IN_FLIGHT_BYTES = 4 * MAX_RUN_BYTES


class Update:
    """Carol has a game in an old version, and downloads the new one from alice."""

    def __init__(self, alice: SidecarProcess, carol: SidecarProcess) -> None:
        self.alice = alice
        self.carol = carol
        self.new = make_game(alice.games, megabytes=MEGABYTES, version="20250101")
        self.old = make_game(carol.games, megabytes=1, version="20240229")
        self._before = shared_files(self.old)

    def start(self) -> str:
        self.carol.wait_for_sources(self.new.name, 1)
        with self.alice.client() as client:
            client.update_settings(upload_bytes_per_second=BYTES_PER_SECOND)
        with self.carol.client() as client:
            [variant] = client.get_game(self.new.name).game.variants
            download = client.download_game_files(self.new.name, content_id=variant.content_id)
        return download.id

    def wait_paused(self, download_id: str, reason: str) -> Download:
        paused = self._wait_for(download_id, DOWNLOAD_STATE_PAUSED)
        assert paused.error.reason == reason, paused
        return paused

    def require_old_game(self) -> None:
        assert shared_files(self.old) == self._before
        assert (self.old / "local" / "savegame").read_text() == "never shared"

    def resume(self, download_id: str) -> None:
        """It finishes, at full speed, and no verified chunk came twice."""
        with self.alice.client() as client:
            client.update_settings(upload_bytes_per_second=None)
        with self.carol.client() as client:
            client.resume_download(download_id)
        finished = self._wait_for(download_id, DOWNLOAD_STATE_FINISHED)
        assert differences(self.new, self.old) == []
        assert finished.reused_bytes + finished.fetched_bytes == finished.total_bytes
        sent = self.alice.status().counters.sent_bytes
        assert sent <= finished.total_bytes + IN_FLIGHT_BYTES
        assert list((self.carol.games / ".lanspread" / "staging").iterdir()) == []

    def _wait_for(self, download_id: str, state: int) -> Download:
        def look() -> Download | None:
            with self.carol.client() as client:
                download = client.get_download(download_id)
            return download if download.state == state else None

        return wait_for(f"download state {state}", look)


@contextmanager
def update_on(folder: Path, disk_mb: int | None = None) -> Iterator[Update]:
    """An update about to be downloaded; carol's games are on a disk of their own."""
    with SidecarProcess(folder / "alice") as alice:
        carol = SidecarProcess(folder / "carol", peers=[alice.address])
        with small_disk(carol.games, disk_mb or 2 * MEGABYTES):
            update = Update(alice, carol)
            with carol:
                yield update


@needs_mounts
def test_a_disk_that_fills_up_pauses_the_download_until_there_is_room(tmp_path: Path) -> None:
    with update_on(tmp_path) as update:
        download_id = update.start()
        update.carol.wait_for_share(download_id, 0.1)
        with filled_up(update.carol.games):
            update.wait_paused(download_id, "DISK_FULL")
            update.require_old_game()
        update.resume(download_id)


@needs_mounts
def test_resuming_on_a_disk_that_is_still_full_says_so_again(tmp_path: Path) -> None:
    with update_on(tmp_path) as update:
        download_id = update.start()
        update.carol.wait_for_share(download_id, 0.1)
        with filled_up(update.carol.games):
            update.wait_paused(download_id, "DISK_FULL")
            with pytest.raises(LanspreadError), update.carol.client() as client:
                # Even the word that it is to go on does not fit.
                client.resume_download(download_id)
            update.wait_paused(download_id, "DISK_FULL")
        update.resume(download_id)


@needs_mounts
def test_a_game_that_does_not_fit_is_refused_before_anything_is_created(tmp_path: Path) -> None:
    with update_on(tmp_path, disk_mb=MEGABYTES // 2) as update:
        with pytest.raises(LanspreadError) as refused:
            update.start()
        assert refused.value.reason == "DISK_FULL"
        staging = update.carol.games / ".lanspread" / "staging"
        assert not staging.exists() or list(staging.iterdir()) == []
        update.require_old_game()


@needs_mounts
def test_a_game_folder_that_is_unmounted_pauses_the_download_until_it_is_back(
    tmp_path: Path,
) -> None:
    with update_on(tmp_path) as update:
        download_id = update.start()
        update.carol.wait_for_share(download_id, 0.1)
        with moved_away(update.carol.games, tmp_path / "refuge"):
            update.wait_paused(download_id, "GAME_DIR_GONE")
            assert list(update.carol.games.iterdir()) == []
        update.require_old_game()
        update.resume(download_id)


@needs_mounts
def test_a_file_that_another_program_uses_keeps_the_old_game_whole(tmp_path: Path) -> None:
    with update_on(tmp_path) as update:
        with in_use(update.old / "aoe2.eti"):
            download_id = update.start()
            update.wait_paused(download_id, "FILE_LOCKED")
            update.require_old_game()
        update.resume(download_id)


@needs_mounts
def test_a_disk_that_turns_read_only_is_named_until_it_can_be_written_again(
    tmp_path: Path,
) -> None:
    with update_on(tmp_path) as update:
        download_id = update.start()
        update.carol.wait_for_share(download_id, 0.1)
        with update.carol.client() as client:
            client.pause_download(download_id)
        with read_only(update.carol.games / ".lanspread" / "staging"):
            with pytest.raises(LanspreadError) as refused, update.carol.client() as client:
                client.resume_download(download_id)
            assert refused.value.reason == "READ_ONLY"
            update.require_old_game()
        update.resume(download_id)


@needs_mounts
@pytest.mark.parametrize("folder", ["aoe2", "aoe2/data/maps"])
def test_a_game_folder_that_may_not_be_changed_pauses_the_publish(
    tmp_path: Path, folder: str
) -> None:
    with SidecarProcess(tmp_path / "alice") as alice:
        carol = SidecarProcess(tmp_path / "carol", peers=[alice.address])
        update = Update(alice, carol)
        with carol:
            with unchangeable(carol.games / folder):
                download_id = update.start()
                update.wait_paused(download_id, "ACCESS_DENIED")
                update.require_old_game()
            update.resume(download_id)


@needs_mounts
def test_a_staging_folder_that_may_not_be_changed_refuses_the_download(tmp_path: Path) -> None:
    with SidecarProcess(tmp_path / "alice") as alice:
        carol = SidecarProcess(tmp_path / "carol", peers=[alice.address])
        update = Update(alice, carol)
        staging = carol.games / ".lanspread" / "staging"
        staging.mkdir(parents=True)
        with carol, unchangeable(staging):
            with pytest.raises(LanspreadError) as refused:
                update.start()
            assert refused.value.reason == "ACCESS_DENIED"
            with carol.client() as client:
                assert list(client.list_downloads()) == []
            update.require_old_game()
