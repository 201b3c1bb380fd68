"""Updates: the new files replace the old ones, and whatever ends one early leaves the old game."""

import asyncio

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState, DownloadStatus
from lanspread_peer.model.events import DownloadPaused, Warned
from lanspread_peer.model.ids import ContentId, DownloadId
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.storage import staging
from lanspread_peer.wire import messages
from support.hostile_peer import HostilePeer, silent
from support.party import (
    AOE2,
    Party,
    download,
    make_game,
    start_download,
    title,
    until,
    wait_bytes,
    wait_done,
    wait_sources,
)
from support.storage_folders import make_files, snapshot

OLD = {**make_game(1), "old-only.txt": b"only in the old one", "olddir/x": b"x"}
NEW = {**make_game(4, version="20250101", seed=2), "new-only.txt": b"only in the new one"}
MINE = {"savegame.sav": b"my own", "local/installed.exe": b"installed"}


async def owner_of_old(party: Party, *, patience_s: float = 30.0) -> Sidecar:
    """A sidecar that downloaded the old version, and then put files of its own there."""
    source = await party.start("old source", {AOE2: OLD})
    owner = await party.start("owner", peers=(source,), patience_s=patience_s)
    await wait_sources(owner, 1)
    assert (await download(owner)).state is DownloadState.FINISHED
    await party.end(source)
    await wait_sources(owner, 0)
    make_files(party.game("owner"), MINE)
    await look_again(owner)
    return owner


async def look_again(owner: Sidecar) -> None:
    """Waits until the owner knows what lies in its game folder now."""
    await owner.set_game_dir(owner.status().game_dir)
    await until(lambda: not owner.status().indexing)


async def offered_update(owner: Sidecar, source: Sidecar | HostilePeer) -> ContentId:
    """The new content, once the owner sees that the source has it."""
    address = source.address if isinstance(source, HostilePeer) else source.status().addresses[0]
    await owner.add_peer(str(address))
    return (await wait_sources(owner, 1)).variants[0].content_id


def without_own(tree: dict[str, bytes | str | None]) -> dict[str, bytes | str | None]:
    """What lies in the game folder besides the sidecar's own folder."""
    return {path: content for path, content in tree.items() if not path.startswith(".lanspread")}


async def assert_untouched(
    party: Party,
    owner: Sidecar,
    before: dict[str, bytes | str | None],
    kept_for: tuple[DownloadId, ...] = (),
) -> None:
    """The old game is there, and no staging but those of these downloads."""
    assert without_own(snapshot(party.games("owner"))) == before
    staging = party.games("owner") / ".lanspread/staging"
    assert tuple(path.name for path in staging.iterdir()) == kept_for
    await until(lambda: not owner.status().indexing)
    shown = title(owner)
    assert shown is not None
    assert shown.local is not None
    assert shown.local.version == "20240229"


async def test_an_update_replaces_the_old_files_and_leaves_a_persons_own(party: Party) -> None:
    owner = await owner_of_old(party)
    source = await party.start("new source", {AOE2: NEW})
    status = await download(owner, AOE2, await offered_update(owner, source))
    assert status.state is DownloadState.FINISHED
    expected = make_files(party.root / "expected", {**NEW, **MINE})
    assert snapshot(party.game("owner")) == snapshot(expected)


async def test_an_update_fetches_only_what_changed(party: Party) -> None:
    owner = await owner_of_old(party)
    patched = {**OLD, "version.ini": b"20250101\n"}
    (party.game("owner") / "savegame.sav").unlink()
    await look_again(owner)
    source = await party.start("new source", {AOE2: patched})
    status = await download(owner, AOE2, await offered_update(owner, source))
    assert status.state is DownloadState.FINISHED
    assert status.fetched_bytes == len(b"20250101\n")
    assert status.reused_bytes == status.total_bytes - status.fetched_bytes


async def test_an_update_whose_source_goes_away_leaves_the_old_game(party: Party) -> None:
    owner = await owner_of_old(party, patience_s=0.3)
    source = await party.hostile({AOE2: NEW})
    source.slow_down(0.1)
    content = await offered_update(owner, source)
    before = without_own(snapshot(party.games("owner")))
    download_id = await start_download(owner, AOE2, content)
    await wait_bytes(owner, download_id)
    await party.end(source)
    status = await wait_done(owner, download_id)
    assert (status.state, status.error_code) == (DownloadState.FAILED, "NO_SOURCE")
    await assert_untouched(party, owner, before, kept_for=(download_id,))


async def test_a_cancelled_update_leaves_the_old_game(party: Party) -> None:
    owner = await owner_of_old(party)
    source = await party.hostile({AOE2: NEW})
    source.slow_down(0.1)
    content = await offered_update(owner, source)
    before = without_own(snapshot(party.games("owner")))
    download_id = await start_download(owner, AOE2, content)
    await wait_bytes(owner, download_id)
    assert (await owner.cancel_download(download_id)).state is DownloadState.CANCELLED
    await assert_untouched(party, owner, before)


async def test_an_update_that_a_disk_refuses_leaves_the_old_game(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await owner_of_old(party)
    content = await offered_update(owner, await party.start("new source", {AOE2: NEW}))
    before = without_own(snapshot(party.games("owner")))

    def refuse(*_: object) -> None:
        raise errors.DiskFull("no space left", needed="1", free="0")

    with monkeypatch.context() as patched:
        patched.setattr(staging.Staging, "write_chunk", refuse)
        download_id = await start_download(owner, AOE2, content)
        paused = await party.events(owner).wait_for(DownloadPaused)
    assert (paused.download.id, paused.download.error_code) == (download_id, "DISK_FULL")
    await assert_untouched(party, owner, before, kept_for=(download_id,))
    await owner.resume_download(download_id)
    assert (await wait_done(owner, download_id)).state is DownloadState.FINISHED


async def test_a_game_that_a_person_puts_there_meanwhile_is_set_aside_and_not_deleted(
    party: Party,
) -> None:
    source = await party.hostile({AOE2: NEW})
    source.answers[messages.GetGameFileChunk] = silent
    downloader = await party.downloader(source)
    download_id = await start_download(downloader)
    make_files(party.root / "made", OLD).rename(party.game("downloader"))
    await until(lambda: downloader.status().game_count == 1)
    source.answers.clear()
    assert (await wait_done(downloader, download_id, within=30)).state is DownloadState.FINISHED
    await party.events(downloader).wait_for(Warned, lambda e: e.code == "FILE_SET_ASIDE")
    aside = party.games("downloader") / ".lanspread" / "conflicts" / AOE2 / "1"
    changed = {path for path in OLD if NEW.get(path) not in (None, OLD[path])}
    assert snapshot(aside).items() >= {path: OLD[path] for path in changed}.items()
    kept = {path: content for path, content in OLD.items() if path not in changed}
    assert snapshot(party.game("downloader")).items() >= {**kept, **NEW}.items()


async def ended_after(party: Party, owner: Sidecar, cancel_after_s: float) -> DownloadStatus:
    download_id = await start_download(owner)
    await asyncio.sleep(cancel_after_s)
    return await owner.cancel_download(download_id)


async def test_a_cancel_at_any_moment_leaves_all_or_nothing(party: Party) -> None:
    source = await party.start("source", {AOE2: make_game(2)})
    downloader = await party.downloader(source)
    expected = snapshot(make_files(party.root / "expected", make_game(2)))
    states = set()
    for step in range(24):
        status = await ended_after(party, downloader, step * 0.008)
        states.add(status.state)
        finals = await party.events(downloader).final(status.id)
        if status.state is DownloadState.FINISHED:
            assert finals.count("DownloadFinished") == 1
            assert "DownloadCancelled" not in finals
            assert snapshot(party.game("downloader")) == expected
            break
        assert finals.count("DownloadCancelled") == 1, status
        assert "DownloadFinished" not in finals
        assert not party.game("downloader").exists()
        assert list((party.games("downloader") / ".lanspread/staging").glob("*")) == []
    assert DownloadState.CANCELLED in states


async def test_a_cancel_while_it_waits_ends_it_once(party: Party) -> None:
    hostile = await party.hostile({AOE2: make_game(1)})
    hostile.answers[messages.GetGameFileChunk] = silent
    downloader = await party.downloader(hostile)
    download_id = await start_download(downloader)
    await until(lambda: hostile.asked(messages.GetGameFileChunk))
    await party.end(hostile)
    await until(lambda: downloader.download(download_id).state is DownloadState.WAITING)
    first, second = await asyncio.gather(
        downloader.cancel_download(download_id), downloader.cancel_download(download_id)
    )
    assert first.state is second.state is DownloadState.CANCELLED
    events = party.events(downloader)
    await until(lambda: "DownloadCancelled" in events.of_download(download_id))
    names = ["DownloadBegan", "DownloadWaiting", "DownloadCancelled"]
    assert events.of_download(download_id) == names
    assert not party.game("downloader").exists()


async def test_a_cancel_after_the_end_changes_nothing(party: Party) -> None:
    hostile = await party.hostile({AOE2: make_game(1)})
    downloader = await party.downloader(hostile)
    status = await download(downloader)
    assert (await downloader.cancel_download(status.id)).state is DownloadState.FINISHED
