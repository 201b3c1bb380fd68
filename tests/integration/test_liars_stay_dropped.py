"""Liars are remembered for the session, and where they came from, but nobody honest is shut out."""

from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.ids import GameId
from lanspread_peer.model.limits import MAX_LIARS_PER_ADDRESS, MAX_LIES_PER_PEER
from lanspread_peer.runtime import fetch_sources
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Message
from support.hostile_peer import Answer, HostilePeer, honest, slowed, wrong_bytes
from support.party import Party, download, make_game, start_download, until, wait_done, wait_sources

FETCH = messages.GetGameFileChunk
GAMES = [GameId(f"game{number}") for number in range(MAX_LIES_PER_PEER + 1)]


async def peer_with(party: Party, games: list[GameId], *, is_liar: bool) -> HostilePeer:
    peer = await party.hostile()
    for number, game in enumerate(games):
        peer.offer(game, make_game(1, seed=number))
    peer.answers[FETCH] = wrong_bytes if is_liar else slowed(0.05)
    return peer


def once_asked(other: HostilePeer, times: int) -> Answer:
    """Honest, as soon as the other one was asked more often than that."""

    async def answer(peer: HostilePeer, stream: Stream, request: Message) -> None:
        await until(lambda: len(other.asked(FETCH)) > times)
        await honest(peer, stream, request)

    return answer


async def test_a_peer_that_lied_in_several_downloads_is_asked_no_more(party: Party) -> None:
    liar = await peer_with(party, GAMES, is_liar=True)
    fair = await peer_with(party, GAMES, is_liar=False)
    downloader = await party.downloader(liar, fair, game_id=GAMES[-1])
    for game in GAMES[:-1]:
        await until(lambda: downloader.status().peer_count == 2)
        asked = len(liar.asked(FETCH))
        # Whoever lied before comes last, so the honest one must let it.
        fair.answers[FETCH] = once_asked(liar, asked)
        assert (await download(downloader, game)).state is DownloadState.FINISHED
        assert len(liar.asked(FETCH)) > asked
    asked = len(liar.asked(FETCH))
    assert (await download(downloader, GAMES[-1])).state is DownloadState.FINISHED
    assert len(liar.asked(FETCH)) == asked


async def test_it_stays_dropped_when_it_comes_back(party: Party) -> None:
    liar = await peer_with(party, GAMES, is_liar=True)
    fair = await peer_with(party, GAMES, is_liar=False)
    downloader = await party.downloader(liar, fair, game_id=GAMES[0])
    for _ in range(MAX_LIES_PER_PEER):
        downloader._liars.lied(liar.peer_id, "127.0.0.1")
    for connection in liar.accepted:
        connection.close("coming back")
    await until(lambda: downloader.status().peer_count == 1)
    await until(lambda: downloader.status().peer_count == 2)
    await wait_sources(downloader, 2, GAMES[0])
    assert (await download(downloader, GAMES[0])).state is DownloadState.FINISHED
    assert liar.asked(FETCH) == []


async def test_an_honest_newcomer_from_an_address_of_liars_is_used_when_it_is_alone(
    party: Party,
) -> None:
    crowd = [await peer_with(party, GAMES, is_liar=True) for _ in range(2 * MAX_LIARS_PER_ADDRESS)]
    downloader = await party.downloader(*crowd, game_id=GAMES[0])
    download_id = await start_download(downloader, GAMES[0])
    await until(lambda: downloader.status().counters.bad_chunks >= len(crowd))
    fair = await peer_with(party, GAMES, is_liar=False)
    assert downloader._liars.waits(fair.peer_id, "127.0.0.1")
    await downloader.add_peer(str(fair.address))
    status = await wait_done(downloader, download_id)
    assert status.state is DownloadState.FINISHED
    assert fair.asked(FETCH)


async def test_newcomers_from_an_address_of_liars_come_one_by_one_while_others_serve(
    party: Party,
) -> None:
    good = await peer_with(party, GAMES, is_liar=False)
    good.answers[FETCH] = slowed(0.3)
    downloader = await party.downloader(good, game_id=GAMES[0])
    for number in range(MAX_LIARS_PER_ADDRESS):
        downloader._liars.lied(f"liar {number}", "127.0.0.1")  # type: ignore[arg-type]
    downloader._liars.gave(good.peer_id)
    crowd = [await peer_with(party, GAMES, is_liar=True) for _ in range(6)]
    for peer in crowd:
        await downloader.add_peer(str(peer.address))
    await wait_sources(downloader, 7, GAMES[0])
    began = monotonic_s()
    status = await download(downloader, GAMES[0])
    assert status.state is DownloadState.FINISHED
    turns = 1 + (monotonic_s() - began) / fetch_sources._NEXT_WAITING_PEER_S
    assert len([peer for peer in crowd if peer.asked(FETCH)]) <= 1 + turns
