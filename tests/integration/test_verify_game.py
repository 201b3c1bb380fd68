"""Games that are read again on command: what comes of it for the game, its peers and its events."""

import asyncio
import os
import shutil
import threading
from pathlib import Path

import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.events import (
    GamesUpdated,
    VerifyBegan,
    VerifyEnded,
    VerifyProgressed,
    Warned,
)
from lanspread_peer.model.game import LocalGame, LocalState
from lanspread_peer.model.ids import GameId, VerificationId, game_key
from lanspread_peer.model.limits import MAX_ACTIVE_VERIFICATIONS, MAX_KEPT_VERIFICATIONS
from lanspread_peer.model.manifest import chunk_size_of
from lanspread_peer.model.verification import (
    Finding,
    FindingKind,
    VerificationRequest,
    VerificationState,
    VerificationStatus,
)
from lanspread_peer.runtime.background_pace import BackgroundPace
from lanspread_peer.runtime.sidecar import Sidecar
from support.party import AOE2, Party, download, make_game, title, until, wait_sources
from support.storage_folders import make_files

DOOM = GameId("doom")
GAME = make_game(2)
SIZE = sum(map(len, GAME.values()))


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verifications that go on after their first chunk only when they are cancelled."""
    monkeypatch.setattr(BackgroundPace, "rest_if_due", lambda self: self._cancelled.wait())


def rot(path: Path) -> None:
    """One byte is another, and nothing else tells."""
    status = path.stat()
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def local(sidecar: Sidecar, game_id: str = AOE2) -> LocalGame:
    shown = title(sidecar, game_id)
    assert shown is not None
    assert shown.local is not None
    return shown.local


def shown_missing(event: GamesUpdated) -> int:
    return sum(each.local.missing_files for each in event.titles if each.local)


def start(sidecar: Sidecar, game_id: GameId = AOE2, **values: object) -> VerificationStatus:
    request = VerificationRequest(game_id, **values)  # type: ignore[arg-type]
    return sidecar.verifications.start(request)


def status_of(sidecar: Sidecar, verification_id: VerificationId) -> VerificationStatus:
    return next(each for each in sidecar.verifications.statuses() if each.id == verification_id)


async def ended(sidecar: Sidecar, verification_id: VerificationId) -> VerificationStatus:
    await until(lambda: status_of(sidecar, verification_id).state.is_final)
    return status_of(sidecar, verification_id)


async def verify(sidecar: Sidecar, game_id: GameId = AOE2) -> VerificationStatus:
    return await ended(sidecar, start(sidecar, game_id).id)


async def downloaded(party: Party) -> tuple[Sidecar, Sidecar]:
    """A source, and a sidecar that downloaded its game."""
    source = await party.start("source", {AOE2: GAME})
    owner = await party.downloader(source)
    assert (await download(owner)).state is DownloadState.FINISHED
    await until(lambda: local(owner).state is LocalState.DOWNLOADED)
    return source, owner


async def test_an_intact_game_is_read_whole_and_stays_offered(party: Party) -> None:
    sidecar = await party.start("alice", {AOE2: GAME})
    before = local(sidecar)
    found = await verify(sidecar)
    assert (found.state, found.done_bytes, found.total_bytes) == (
        VerificationState.FINISHED,
        SIZE,
        SIZE,
    )
    assert (found.missing_files, found.changed_files, found.extra_files) == (0, 0, 0)
    assert (found.game_id, found.content_id) == (AOE2, before.content_id)
    assert local(sidecar) == before
    assert sidecar.verifications.findings(found.id) == ()


async def test_events_tell_its_begin_and_its_one_end(party: Party) -> None:
    sidecar = await party.start("alice", {AOE2: GAME})
    accepted = start(sidecar)
    assert accepted.state is VerificationState.QUEUED
    found = await ended(sidecar, accepted.id)
    events = party.events(sidecar)
    await events.wait_for(VerifyEnded)
    assert [event.verification for event in events.of(VerifyBegan)] == [accepted]
    assert [event.verification for event in events.of(VerifyEnded)] == [found]


async def test_a_rotten_file_is_no_longer_offered_and_a_download_brings_it_again(
    party: Party,
) -> None:
    _, owner = await downloaded(party)
    content_id = local(owner).content_id
    rot(party.game("downloader") / "aoe2.eti")
    owner._library.request_rescan()
    await until(lambda: not owner.status().indexing)
    assert local(owner).missing_files == 0, "no survey can see it"
    events = party.events(owner)
    told_before = len(events.of(GamesUpdated))
    found = await verify(owner)
    assert (found.changed_files, found.missing_files) == (1, 0)
    assert owner.verifications.findings(found.id) == (Finding("aoe2.eti", FindingKind.CHANGED),)
    await until(lambda: local(owner).missing_files == 1)
    assert (local(owner).content_id, local(owner).sealed) == (content_id, True)
    # It is here all the time, and only what is offered of it changes.
    await events.wait_for(GamesUpdated, lambda event: shown_missing(event) == 1)
    for event in events.of(GamesUpdated)[told_before:]:
        assert not event.removed
        assert all(each.local for each in event.titles)
    assert (await download(owner)).state is DownloadState.FINISHED
    await until(lambda: local(owner).missing_files == 0)
    assert (party.game("downloader") / "aoe2.eti").read_bytes() == GAME["aoe2.eti"]
    assert (await verify(owner)).changed_files == 0


async def test_peers_hear_that_a_rotten_game_that_was_put_there_is_another_content(
    party: Party,
) -> None:
    source = await party.start("source", {AOE2: GAME})
    other = await party.start("other", peers=(source,))
    shown = await wait_sources(other, 1)
    content_id = shown.variants[0].content_id
    rot(party.game("source") / "aoe2.eti")
    assert (await verify(source)).changed_files == 1
    await until(
        lambda: (now := title(other)) and [each.content_id for each in now.variants] != [content_id]
    )


async def test_a_game_is_shown_while_it_is_looked_at_afresh(party: Party) -> None:
    sidecar = await party.start("alice", {AOE2: GAME})
    before = local(sidecar)
    sidecar._library.look_again(game_key(AOE2))
    assert local(sidecar).state is LocalState.INDEXING
    assert sidecar.status().game_count == 0
    sidecar._library.look_again(game_key("unknown"))
    assert title(sidecar, "unknown") is None
    await until(lambda: local(sidecar) == before)


async def test_rot_in_the_version_itself_breaks_the_seal(party: Party) -> None:
    _, owner = await downloaded(party)
    rot(party.game("downloader") / "version.ini")
    found = await verify(owner)
    assert (found.state, found.error_code) == (VerificationState.FAILED, "STALE")
    await until(lambda: not local(owner).sealed and local(owner).content_id is not None)
    assert local(owner).content_id != found.content_id
    assert (await verify(owner)).changed_files == 0


async def test_resealing_makes_what_is_there_the_content(party: Party) -> None:
    _, owner = await downloaded(party)
    content_id = local(owner).content_id
    make_files(party.game("downloader"), {"mod.pak": b"mod"})
    found = await ended(owner, start(owner, reseal=True).id)
    assert found.extra_files == 1
    await until(lambda: local(owner).content_id not in (None, content_id))
    assert not local(owner).sealed


async def test_they_run_one_at_a_time_in_the_order_of_their_start(party: Party, held: None) -> None:
    sidecar = await party.start("alice", {AOE2: GAME, DOOM: GAME})
    first, second = start(sidecar, AOE2), start(sidecar, DOOM)
    await until(lambda: status_of(sidecar, first.id).done_bytes > 0)
    assert status_of(sidecar, second.id).state is VerificationState.QUEUED
    await sidecar.verifications.cancel(first.id)
    await until(lambda: status_of(sidecar, second.id).done_bytes > 0)
    assert [each.id for each in sidecar.verifications.statuses()] == [second.id, first.id]


async def test_a_cancelled_one_stops_reading_and_changes_nothing(party: Party, held: None) -> None:
    sidecar = await party.start("alice", {AOE2: GAME})
    before = local(sidecar)
    running = start(sidecar)
    await until(lambda: status_of(sidecar, running.id).done_bytes > 0)
    await party.events(sidecar).wait_for(VerifyProgressed)
    for _ in range(2):
        cancelled = await sidecar.verifications.cancel(running.id)
        assert cancelled.state is VerificationState.CANCELLED
    await until(lambda: local(sidecar) == before)
    sidecar.events.emit(Warned("MARK", "after all that was told"))
    await party.events(sidecar).wait_for(Warned)
    assert len(party.events(sidecar).of(VerifyEnded)) == 1


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_rot_that_one_saw_before_it_was_cut_is_offered_no_more(
    party: Party, monkeypatch: pytest.MonkeyPatch, *, is_cancelled: bool
) -> None:
    _, owner = await downloaded(party)
    rot(party.game("downloader") / "aoe2.eti")
    left = sum(-(-len(data) // chunk_size_of(len(data))) for data in GAME.values() if data)

    def stop_at_the_last_chunk(pace: BackgroundPace) -> None:
        nonlocal left
        left -= 1
        if left:
            return
        if not is_cancelled:
            raise RuntimeError("a bug")
        pace._cancelled.wait()

    monkeypatch.setattr(BackgroundPace, "rest_if_due", stop_at_the_last_chunk)
    running = start(owner)
    await until(lambda: not left)
    if is_cancelled:
        await owner.verifications.cancel(running.id)
    cut = await ended(owner, running.id)
    wanted = VerificationState.CANCELLED if is_cancelled else VerificationState.FAILED
    assert cut.state is wanted
    await until(lambda: local(owner).missing_files == 1)


async def test_one_that_never_began_is_cancelled_too(party: Party) -> None:
    sidecar = await party.start("alice", {AOE2: GAME})
    queued = start(sidecar)
    cancelled = await sidecar.verifications.cancel(queued.id)
    assert cancelled.state is VerificationState.CANCELLED
    await party.events(sidecar).wait_for(VerifyEnded)


async def test_a_second_command_gets_the_one_that_runs(party: Party, held: None) -> None:
    sidecar = await party.start("alice", {AOE2: GAME})
    first = start(sidecar)
    assert start(sidecar, GameId("AOE2")).id == first.id
    await sidecar.verifications.cancel(first.id)
    assert start(sidecar).id != first.id


async def test_a_request_id_is_good_for_one_verification(party: Party) -> None:
    sidecar = await party.start("alice", {AOE2: GAME})
    first = start(sidecar, request_id="mine")
    done = await ended(sidecar, first.id)
    assert start(sidecar, request_id="mine") == done
    assert start(sidecar, request_id="other").id != first.id


async def test_so_many_wait_and_one_more_is_refused(party: Party) -> None:
    tiny = {"version.ini": b"1"}
    names = [GameId(f"game{number:03}") for number in range(MAX_ACTIVE_VERIFICATIONS + 1)]
    sidecar = await party.start("alice", dict.fromkeys(names, tiny))
    for name in names[:-1]:
        start(sidecar, name)
    with pytest.raises(errors.TooManyVerifications):
        start(sidecar, names[-1])
    await until(lambda: all(each.state.is_final for each in sidecar.verifications.statuses()))
    kept = [each.id for each in sidecar.verifications.statuses()]
    assert len(kept) == MAX_KEPT_VERIFICATIONS
    last = await verify(sidecar, names[-1])
    await verify(sidecar, names[0])
    now = [each.id for each in sidecar.verifications.statuses()]
    assert (len(now), now[1]) == (MAX_KEPT_VERIFICATIONS + 1, last.id)
    assert kept[-1] not in now


async def test_games_that_cannot_be_compared_are_refused(party: Party) -> None:
    sidecar = await party.start("alice", {AOE2: GAME, DOOM: {**GAME, "A": b"", "a": b""}})
    with pytest.raises(errors.GameNotFound):
        start(sidecar, GameId("quake"))
    with pytest.raises(errors.UnsafeGame):
        start(sidecar, DOOM)
    with pytest.raises(errors.VerificationNotFound):
        await sidecar.verifications.cancel(VerificationId("none"))
    with pytest.raises(errors.VerificationNotFound):
        sidecar.verifications.findings(VerificationId("none"))


async def test_a_game_folder_that_is_pulled_out_fails_it_with_that_reason(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, owner = await downloaded(party)
    games = party.games("downloader")
    away = games.with_name("unplugged")
    monkeypatch.setattr(
        BackgroundPace, "rest_if_due", lambda _: None if away.exists() else games.rename(away)
    )
    found = await verify(owner)
    away.rename(games)
    assert (found.state, found.error_code) == (VerificationState.FAILED, "GAME_DIR_GONE")
    assert (found.missing_files, found.changed_files) == (0, 0)
    await until(lambda: (now := title(owner)) and now.local and not now.local.missing_files)


async def test_switching_the_game_folder_ends_them(party: Party, held: None) -> None:
    sidecar = await party.start("alice", {AOE2: GAME})
    running = start(sidecar)
    await until(lambda: status_of(sidecar, running.id).done_bytes > 0)
    other = party.root / "other"
    other.mkdir()
    await sidecar.set_game_dir(str(other))
    assert status_of(sidecar, running.id).state is VerificationState.CANCELLED


async def test_the_end_of_the_sidecar_waits_for_no_reading(party: Party, held: None) -> None:
    sidecar = await party.start("alice", {AOE2: GAME})
    running = start(sidecar)
    await until(lambda: status_of(sidecar, running.id).done_bytes > 0)
    async with asyncio.timeout(20):
        await party.end(sidecar)


async def test_a_second_command_may_ask_to_reseal_what_the_first_one_reads(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, owner = await downloaded(party)
    content_id = local(owner).content_id
    make_files(party.game("downloader"), {"mod.pak": b"mod"})
    go_on = threading.Event()
    monkeypatch.setattr(BackgroundPace, "rest_if_due", lambda _: go_on.wait(30))
    first = start(owner)
    await until(lambda: status_of(owner, first.id).done_bytes > 0)
    assert start(owner, reseal=True).id == first.id
    go_on.set()
    await ended(owner, first.id)
    await until(lambda: local(owner).content_id not in (None, content_id))


async def test_what_nobody_foresaw_ends_it_too(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar = await party.start("alice", {AOE2: GAME, DOOM: GAME})

    def break_down(_pace: BackgroundPace) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(BackgroundPace, "rest_if_due", break_down)
        found = await verify(sidecar)
    assert (found.state, found.error_code) == (VerificationState.FAILED, "INTERNAL")
    assert (await verify(sidecar, DOOM)).state is VerificationState.FINISHED


async def test_a_game_that_goes_while_it_waits_fails(party: Party, held: None) -> None:
    sidecar = await party.start("alice", {AOE2: GAME, DOOM: GAME})
    first, second = start(sidecar, AOE2), start(sidecar, DOOM)
    shutil.rmtree(party.game("alice", DOOM))
    await until(lambda: title(sidecar, DOOM) is None)
    await sidecar.verifications.cancel(first.id)
    found = await ended(sidecar, second.id)
    assert (found.state, found.error_code) == (VerificationState.FAILED, "STALE")
