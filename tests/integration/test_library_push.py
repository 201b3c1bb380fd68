"""Library changes: they reach peers by themselves, as what changed, and nothing is sent twice."""

import asyncio
import shutil

import pytest

from lanspread_peer.core import liveness
from lanspread_peer.model.events import GamesUpdated, ScanFinished, ScanProgressed, Warned
from lanspread_peer.model.game import LocalState
from lanspread_peer.model.peer import PeerState
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer, encode
from lanspread_peer.wire.messages import Message
from support.hostile_peer import HostilePeer
from support.party import AOE2, MIB, Party, address_of, make_game, title, until, wait_sources
from support.quic_party import ask
from support.storage_folders import make_files

GAME = make_game(1)


async def test_a_new_game_reaches_the_other_peer_by_itself(party: Party) -> None:
    source = await party.start("source")
    watcher = await party.start("watcher", peers=(source,))
    await until(lambda: watcher.status().peer_count)
    make_files(party.game("source"), GAME)
    await wait_sources(watcher, 1)
    update = await party.events(watcher).wait_for(GamesUpdated)
    assert [each.id for each in update.titles] == [AOE2]


async def test_a_game_that_was_removed_goes_from_the_other_peer(party: Party) -> None:
    source = await party.start("source", {AOE2: GAME, "doom": GAME})
    watcher = await party.downloader(source)
    shutil.rmtree(party.game("source"))
    await until(lambda: title(watcher) is None)
    update = await party.events(watcher).wait_for(GamesUpdated, lambda event: event.removed != ())
    assert update.removed == (AOE2,)
    assert [each.id for each in watcher.titles()] == ["doom"]


async def test_only_what_changed_is_sent(party: Party) -> None:
    source = await party.start("source", {AOE2: GAME, "doom": GAME})
    recorder = await party.hostile()
    connection = await recorder.dial(address_of(source))
    whole = decode_answer(await ask(connection, encode(messages.ListGames())))
    assert isinstance(whole, messages.Games)
    assert {game.id for game in whole.games} == {AOE2, "doom"}
    make_files(party.game("source", "quake"), make_game(1, seed=3))
    shutil.rmtree(party.game("source", "doom"))
    await until(lambda: {t.id for t in source.titles() if t.local} == {AOE2, "quake"})
    await until(lambda: not source.status().indexing)
    delta = decode_answer(await ask(connection, encode(messages.ListGames(whole.digest))))
    assert isinstance(delta, messages.Games)
    assert delta.base_digest == whole.digest
    assert [game.id for game in delta.games] == ["quake"]
    assert delta.removed == ["doom"]
    unchanged = await ask(connection, encode(messages.ListGames(delta.digest)))
    assert decode_answer(unchanged) == messages.NotModified()


async def test_a_change_is_pushed_once_and_an_unchanged_library_never(party: Party) -> None:
    recorder = await party.hostile()
    source = await party.start("source", {AOE2: GAME}, peers=(recorder,))
    await until(lambda: recorder.asked(messages.GetPeers))
    for path in GAME:
        (party.game("source") / path).touch()
        (party.game("source") / "local").mkdir(exist_ok=True)
    await party.events(source).wait_for(
        GamesUpdated, lambda event: any(t.local and t.local.installed for t in event.titles)
    )
    await until(lambda: not source.status().indexing)
    # Made elsewhere, as a game that is half written is another game for a moment.
    make_files(party.root / "made", GAME).rename(party.game("source", "doom"))
    await until(lambda: source.status().game_count == 2)
    connection = await recorder.dial(address_of(source))
    library = decode_answer(await ask(connection, encode(messages.ListGames())))
    assert isinstance(library, messages.Games)
    await until(lambda: pushed(recorder)[-1:] == [library.digest])
    before = pushed(recorder)
    await source.set_game_dir(source.status().game_dir)
    await asyncio.sleep(0.8)
    assert pushed(recorder) == before, "nothing changed, so nothing is pushed"
    assert len(set(before)) == len(before)


def pushed(recorder: HostilePeer) -> list[str]:
    """The digests that it was told, in order; pings have none."""
    return [ping.library_digest for ping in recorder.asked(messages.Ping) if ping.library_digest]


async def test_a_library_is_asked_for_only_when_its_digest_is_new(party: Party) -> None:
    recorder = await party.hostile({AOE2: GAME})
    sidecar = await party.downloader(recorder)
    assert len(recorder.asked(messages.ListGames)) == 1
    connection = await recorder.dial(address_of(sidecar))
    for _ in range(5):
        await ask(connection, encode(messages.Ping(recorder.digest)))
    recorder.offer("doom", GAME)
    await ask(connection, encode(messages.Ping(recorder.digest)))
    await wait_sources(sidecar, 1, "doom")
    assert len(recorder.asked(messages.ListGames)) == 2


async def test_a_change_during_the_answer_is_not_missed(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A ping would tell of it too, and later.
    monkeypatch.setattr(liveness, "PING_AFTER_IDLE_S", 1000.0)
    recorder = await party.hostile({AOE2: GAME})
    sidecar = await party.downloader(recorder)
    connection = await recorder.dial(address_of(sidecar))

    async def outdated(peer: HostilePeer, stream: Stream, request: Message) -> None:
        peer.answers.clear()
        old = messages.Games(peer.digest, [offer.line for offer in peer.offers.values()])
        peer.offer("quake", GAME)
        await ask(connection, encode(messages.Ping(peer.digest)))
        await stream.send(encode(old), end=True)

    recorder.answers[messages.ListGames] = outdated
    recorder.offer("doom", GAME)
    await ask(connection, encode(messages.Ping(recorder.digest)))
    await until(lambda: title(sidecar, "quake"))


async def test_strangers_cannot_make_it_ask_for_what_it_knows(party: Party) -> None:
    recorder = await party.hostile({AOE2: GAME})
    sidecar = await party.downloader(recorder)
    stranger = await party.hostile()
    connection = await stranger.dial(address_of(sidecar))
    for _ in range(5):
        await ask(connection, encode(messages.Ping("e" * 64)))
    assert len(recorder.asked(messages.ListGames)) == 1


async def test_a_game_in_the_making_is_offered_when_it_is_whole(party: Party) -> None:
    source = await party.start("source")
    watcher = await party.start("watcher", peers=(source,))
    await until(lambda: watcher.status().peer_count)
    game = dict(GAME)
    ini = game.pop("version.ini")
    make_files(party.game("source"), game)
    await asyncio.sleep(0.3)
    assert source.titles() == watcher.titles() == []
    make_files(party.game("source"), {"version.ini": ini})
    await wait_sources(watcher, 1)


async def test_hashing_tells_how_far_it_is_and_ends_once(party: Party) -> None:
    sidecar = await party.start("sidecar", {AOE2: make_game(16)})
    scan = await party.events(sidecar).wait_for(ScanFinished)
    assert scan.games == 1
    assert scan.hashed_bytes > 16 * MIB
    told = party.events(sidecar).of(ScanProgressed)
    assert all(each.hashed_bytes <= each.total_bytes == scan.hashed_bytes for each in told)
    await party.end(sidecar)
    again = await party.start("sidecar")
    assert (await party.events(again).wait_for(ScanFinished)).hashed_bytes == 0


async def test_a_game_that_cannot_be_shared_is_shown_with_its_fault(party: Party) -> None:
    sidecar = await party.start("sidecar", {AOE2: {**GAME, "A.txt": b"", "a.TXT": b""}})
    shown = title(sidecar)
    assert shown is not None
    assert shown.local is not None
    assert shown.local.state is LocalState.UNSAFE
    assert shown.local.fault
    warned = await party.events(sidecar).wait_for(Warned)
    assert warned.code == "UNSAFE_GAME"
    assert sidecar.status().game_count == 0


async def test_a_game_folder_that_vanishes_and_comes_back_is_noticed(party: Party) -> None:
    sidecar = await party.start("sidecar", {AOE2: GAME})
    watcher = await party.downloader(sidecar)
    away = party.root / "away"
    party.games("sidecar").rename(away)
    await until(lambda: title(watcher) is None)
    assert sidecar.status().game_count == 0
    warned = [event.code for event in party.events(sidecar).of(Warned)]
    assert warned == ["GAME_DIR_GONE"]
    away.rename(party.games("sidecar"))
    await wait_sources(watcher, 1)
    assert not sidecar.status().indexing


async def test_a_peer_that_is_silent_about_its_library_stays_a_peer(party: Party) -> None:
    recorder = await party.hostile({AOE2: GAME})

    async def once_busy(peer: HostilePeer, stream: Stream, request: Message) -> None:
        peer.answers.clear()
        await stream.send(encode(messages.Busy(100)), end=True)

    recorder.answers[messages.ListGames] = once_busy
    sidecar = await party.start("sidecar", peers=(recorder,))
    await until(lambda: recorder.asked(messages.ListGames))
    await asyncio.sleep(0.1)
    assert [peer.state for peer in sidecar.peers()] == [PeerState.CONNECTED]
    connection = await recorder.dial(address_of(sidecar))
    await ask(connection, encode(messages.Ping(recorder.digest)))
    await wait_sources(sidecar, 1)
