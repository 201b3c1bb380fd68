"""Hostile answers to everything but chunks: manifests and messages that lie, or make no sense."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest
from blake3 import blake3

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadRequest, DownloadState
from lanspread_peer.model.events import GotGameFiles
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import MAX_ANSWER_BYTES, MIB
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire import messages
from lanspread_peer.wire.messages import Message
from support.forged_manifests import INI, file, lines
from support.hostile_peer import Answer, HostilePeer, Offer, endless, resetting, saying
from support.party import AOE2, Party, download, make_game, title, until, wait_sources
from support.storage_folders import snapshot

GAME = make_game(1)
MANIFEST = Offer(AOE2, GAME, "20240229").manifest_bytes


@dataclass(frozen=True)
class Forged:
    """Manifest bytes with the content id that they really have, so that only their sense lies."""

    data: bytes

    @property
    def content_id(self) -> ContentId:
        return ContentId(blake3(self.data).hexdigest())


FORGERIES = {
    "a path out of the folder": lines(file("../evil"), INI),
    "an absolute path": lines(file("/tmp/evil"), INI),
    "a path into local": lines({"path": "local"}, file("local/evil.exe"), INI),
    "a hidden file": lines(file(".bashrc"), INI),
    "a device": lines(file("NUL.txt"), INI),
    "names that collide": lines(file("A"), file("a"), INI),
    "a file used as a folder": lines(file("a"), file("a/b"), INI),
    "no version.ini": lines(file("a")),
    "a size without its hashes": lines(file("a", size=10 * MIB), INI),
    "a negative size": lines(file("a", size=-1), INI),
    "a size beyond all disks": lines(file("a", size=2**63), INI),
    "spaces": lines(file("a"), INI).replace(b'":', b'": '),
    "another order": lines(INI, file("a")),
    "a line too few": lines(file("a"), INI).replace(b'"entries":2', b'"entries":3'),
    "no line at all": b"",
    "no manifest": b"{}\n",
}


def forging(peer: HostilePeer, forged: Forged) -> None:
    """Let the peer offer a game whose manifest is the forged one."""
    line = messages.GameLine(AOE2, "20240229", forged.content_id, 1000, 2)
    peer.digest = "f" * 64
    peer.answers[messages.ListGames] = saying(messages.Games(peer.digest, [line]))
    peer.answers[messages.GetManifest] = saying(forged.data)


@pytest.mark.parametrize("data", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_manifest_that_makes_no_sense_is_refused(party: Party, data: bytes) -> None:
    hostile = await party.hostile()
    forging(hostile, Forged(data))
    downloader = await party.downloader(hostile)
    before = snapshot(party.root)
    with pytest.raises(errors.ContentNotFound):
        await downloader.start_download(DownloadRequest(AOE2))
    assert hostile.asked(messages.GetManifest)
    assert snapshot(party.root) == before


async def test_a_manifest_made_by_hand_is_taken_when_it_is_right(party: Party) -> None:
    hostile = await party.hostile()
    forging(hostile, Forged(lines(file("a"), INI)))
    _, manifest = await (await party.downloader(hostile)).game_manifest(AOE2, None)
    assert [entry.path for entry in manifest.files] == ["a", "version.ini"]


LIES: dict[str, Answer] = {
    "another manifest": saying(lines(INI)),
    "a byte too many": saying(MANIFEST + b"\n"),
    "endless": endless,
    "a message": saying(messages.NotFound()),
    **{f"reset {code}": resetting(code) for code in (1, 3, 99)},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_a_manifest_comes_from_whoever_gives_the_right_one(party: Party, lie: Answer) -> None:
    liars = [await party.hostile({AOE2: GAME}) for _ in range(2)]
    for liar in liars:
        liar.answers[messages.GetManifest] = lie
    honest = await party.start("honest", {AOE2: GAME})
    downloader = await party.downloader(*liars, honest)
    assert (await download(downloader)).state is DownloadState.FINISHED
    assert snapshot(party.game("downloader")) == snapshot(party.game("honest"))


NONSENSE = {
    "nothing": b"",
    "no JSON": b"\xff\xfe{",
    "no message": b"[1, 2, 3]",
    "an unknown message": b'{"Games2":{}}',
    "the wrong message": b'"Pong"',
    "a key twice": b'{"Games":{"digest":"","digest":"","games":[]}}',
    "deep": b"[" * 10_000,
    "long": b'"' + b"x" * MAX_ANSWER_BYTES + b'"',
}


@pytest.mark.parametrize(
    ("request_type", "nonsense"),
    [
        *((messages.ListGames, nonsense) for nonsense in NONSENSE.values()),
        (messages.GetGame, b"{"),
        (messages.GetGame, b'"Pong"'),
        (messages.GetPeers, b'{"Peers":{"peers":[{}]}}'),
    ],
    ids=lambda value: value.decode("latin-1")[:12] if isinstance(value, bytes) else value.__name__,
)
async def test_an_answer_that_makes_no_sense_harms_nobody(
    party: Party, request_type: type[Message], nonsense: bytes
) -> None:
    hostile = await party.hostile({AOE2: GAME})
    hostile.answers[request_type] = saying(nonsense)
    honest = await party.start("honest", {AOE2: GAME})
    sidecar = await party.start("sidecar", peers=(hostile, honest))
    await until(lambda: hostile.asked(messages.ListGames))
    await until(lambda: any(peer.games for peer in sidecar.peers()))
    answer = await sidecar.get_game(AOE2)
    assert answer.title.peer_count >= 1
    assert answer.totals is not None
    assert sidecar.status().peer_count == 2


async def test_lines_with_impossible_ids_are_left_out(party: Party) -> None:
    hostile = await party.hostile({AOE2: GAME})
    line = next(iter(hostile.offers.values())).line
    bad = ["../evil", "a/b", "NUL", ".hidden", "a\u202eb", "x."]
    games = [msgspec.structs.replace(line, id=each) for each in bad]
    answer = messages.Games(hostile.digest, [*games, line])
    hostile.answers[messages.ListGames] = saying(answer)
    sidecar = await party.downloader(hostile)
    assert [each.id for each in sidecar.titles()] == [AOE2]


async def test_a_peer_that_no_longer_has_the_game_is_believed(party: Party) -> None:
    hostile = await party.hostile({AOE2: GAME})
    sidecar = await party.downloader(hostile)
    hostile.answers[messages.GetGame] = saying(messages.NotFound())
    with pytest.raises(errors.GameNotFound):
        await sidecar.get_game(AOE2)
    assert title(sidecar) is None


async def test_variants_totals_and_description_are_asked_of_the_peers(party: Party) -> None:
    told = b'{"name": "Age of Empires II", "publisher": "Microsoft", "max_players": 8}'
    source = await party.start("source", {AOE2: {**GAME, "game.json": told}})
    sidecar = await party.downloader(source)
    answer = await sidecar.get_game(AOE2)
    assert answer.title.name == "Age of Empires II"
    assert (answer.description.publisher, answer.description.max_players) == ("Microsoft", 8)
    files = {**GAME, "game.json": told}
    assert answer.totals is not None
    assert answer.totals.bytes == sum(map(len, files.values()))
    assert answer.totals.files == len(files)
    got = await party.events(sidecar).wait_for(GotGameFiles)
    assert (got.variants, got.totals) == (answer.title.variants, answer.totals)
    content_id, manifest = await sidecar.game_manifest(AOE2, None)
    assert content_id == answer.title.variants[0].content_id
    assert {entry.path for entry in manifest.files} == set(files)


async def test_a_manifest_is_fetched_once(party: Party) -> None:
    hostile = await party.hostile({AOE2: GAME})
    sidecar = await party.downloader(hostile)
    for _ in range(3):
        await sidecar.get_game(AOE2)
    await download(sidecar)
    assert len(hostile.asked(messages.GetManifest)) == 1


async def test_local_and_remote_are_one_title(party: Party) -> None:
    other = await party.start("other", {"AOE2": GAME, "quake": make_game(1, seed=3)})
    sidecar = await party.start("sidecar", {AOE2: GAME, "doom": GAME}, peers=(other,))
    await wait_sources(sidecar, 1, "quake")
    shown = {each.id: (each.local is not None, each.peer_count) for each in sidecar.titles()}
    assert shown == {AOE2: (True, 1), "doom": (True, 0), "quake": (False, 1)}


def sending(change: Callable[[messages.GameLine], messages.GameLine]) -> Answer:
    async def answer(peer: HostilePeer, stream: Stream, _request: Message) -> None:
        games = [change(offer.line) for offer in peer.offers.values()]
        await saying(messages.Games(peer.digest, games))(peer, stream, _request)

    return answer


async def test_figures_that_a_peer_makes_up_do_not_enter_a_download(party: Party) -> None:
    hostile = await party.hostile({AOE2: GAME})
    hostile.answers[messages.ListGames] = sending(
        lambda line: msgspec.structs.replace(line, bytes=1, files=1)
    )
    sidecar = await party.downloader(hostile)
    status = await download(sidecar)
    assert status.state is DownloadState.FINISHED
    assert status.total_bytes == sum(map(len, GAME.values()))
    assert status.total_files == len(GAME)
