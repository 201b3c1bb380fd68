"""Version poisoning: what a peer says of a version does not make anybody download it."""

from datetime import timedelta

import msgspec
import pytest

from lanspread_peer.model import errors
from lanspread_peer.model.download import DownloadState
from lanspread_peer.model.ids import ContentId
from lanspread_peer.runtime import variant_choice
from lanspread_peer.runtime.clock import today
from lanspread_peer.runtime.sidecar import Sidecar
from lanspread_peer.wire import messages
from support.hostile_peer import (
    Answer,
    HostilePeer,
    dripping_any,
    endless,
    resetting,
    saying,
    silent,
)
from support.party import AOE2, Party, download, make_game, title, until, wait_sources

GOOD = make_game(1, version="20240229")
LATER = make_game(1, version="20240301", seed=2)


async def poisoned(party: Party, version: str, **claims: int) -> tuple[HostilePeer, Sidecar]:
    """A peer that offers a game of its own as this version, beside one that is honest."""
    hostile = await party.hostile()
    offer = hostile.offer(AOE2, LATER, version)
    offer.line = msgspec.structs.replace(offer.line, **claims)
    return hostile, await beside_honest(party, hostile)


async def beside_honest(party: Party, *hostile: HostilePeer) -> Sidecar:
    honest = await party.start("honest", {AOE2: GOOD})
    return await party.downloader(*hostile, honest)


async def chosen(sidecar: Sidecar) -> str:
    """The version of the content that is taken when nobody names one."""
    content_id, _ = await sidecar.game_manifest(AOE2, None)
    return version_of(sidecar, content_id)


def version_of(sidecar: Sidecar, content_id: ContentId) -> str:
    shown = title(sidecar)
    assert shown is not None
    return next(v.version for v in shown.variants if v.content_id == content_id)


async def test_a_later_version_is_chosen_when_all_of_it_is_true(party: Party) -> None:
    _, sidecar = await poisoned(party, "20240301")
    assert await chosen(sidecar) == "20240301"


@pytest.mark.parametrize(
    "version",
    ["99999999", "99999999.1", "999999999", "20990101", "\u202e20240301", "0099999999", ""],
)
async def test_an_impossible_version_is_never_chosen_by_itself(party: Party, version: str) -> None:
    _, sidecar = await poisoned(party, version)
    assert await chosen(sidecar) == "20240229"


async def test_more_than_a_week_ahead_is_never_chosen_by_itself(party: Party) -> None:
    ahead = today() + timedelta(days=9)
    _, sidecar = await poisoned(party, ahead.strftime("%Y%m%d"))
    assert await chosen(sidecar) == "20240229"


async def test_alone_it_has_to_be_named(party: Party) -> None:
    hostile = await party.hostile()
    offer = hostile.offer(AOE2, LATER, "99999999")
    sidecar = await party.downloader(hostile)
    with pytest.raises(errors.NoVersionChosen):
        await sidecar.game_manifest(AOE2, None)
    content_id, _ = await sidecar.game_manifest(AOE2, offer.content_id)
    assert content_id == offer.content_id


async def test_a_version_that_its_version_ini_does_not_have_is_not_chosen(party: Party) -> None:
    _, sidecar = await poisoned(party, "20240302")
    assert await chosen(sidecar) == "20240229"


@pytest.mark.parametrize("answer", [resetting(6), silent], ids=["refused", "silent"])
async def test_a_version_that_nobody_proves_is_not_chosen_before_one_that_is_proven(
    party: Party, answer: Answer
) -> None:
    hostile, sidecar = await poisoned(party, "20240302")
    hostile.answers[messages.GetGameFileChunk] = answer
    assert await chosen(sidecar) == "20240229"


async def test_a_version_that_nobody_proves_comes_before_one_that_is_wrong(party: Party) -> None:
    liar, withholder = await party.hostile(), await party.hostile()
    liar.offer(AOE2, LATER, "20240302")
    withholder.offer(AOE2, GOOD, "20240229")
    withholder.answers[messages.GetGameFileChunk] = resetting(6)
    assert await chosen(await party.downloader(liar, withholder)) == "20240229"


@pytest.mark.parametrize("claims", [{"bytes": 1}, {"files": 199_999}, {"bytes": 2**44, "files": 1}])
async def test_figures_that_the_manifest_does_not_have_are_not_chosen(
    party: Party, claims: dict[str, int]
) -> None:
    _, sidecar = await poisoned(party, "20240301", **claims)
    assert await chosen(sidecar) == "20240229"


async def test_a_crowd_cannot_talk_a_sound_variant_down(party: Party) -> None:
    crowd = [await party.hostile() for _ in range(3)]
    for liar in crowd:
        offer = liar.offer(AOE2, LATER, "20240301")
        offer.line = msgspec.structs.replace(offer.line, bytes=1)
    later = await party.start("later", {AOE2: LATER})
    honest = await party.start("honest", {AOE2: GOOD})
    sidecar = await party.downloader(*crowd, later, honest)
    assert await chosen(sidecar) == "20240301"


WITHHELD: dict[str, Answer] = {
    "refused": resetting(6),
    "busy": resetting(1),
    "silent": silent,
    "dripping": dripping_any,
    "endless": endless,
    "another": saying(b"{}\n"),
}


@pytest.mark.parametrize("answer", WITHHELD.values(), ids=WITHHELD.keys())
async def test_a_variant_whose_manifest_nobody_gives_is_passed_over(
    party: Party, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variant_choice, "_PATIENCE_S", 2.0)
    hostile = await party.hostile()
    hostile.offer(AOE2, LATER, "20240301")
    hostile.answers[messages.GetManifest] = answer
    sidecar = await beside_honest(party, hostile)
    assert await chosen(sidecar) == "20240229"
    answered = await sidecar.get_game(AOE2)
    assert answered.totals is not None
    assert answered.totals.bytes == sum(map(len, GOOD.values()))


async def test_many_lines_for_one_game_are_one_variant_per_peer(party: Party) -> None:
    hostile = await party.hostile()
    offer = hostile.offer(AOE2, LATER, "20240301")
    lines = [
        msgspec.structs.replace(offer.line, content_id=f"{number:064x}") for number in range(4096)
    ]
    hostile.answers[messages.ListGames] = saying(messages.Games(hostile.digest, lines))
    sidecar = await beside_honest(party, hostile)
    shown = await wait_sources(sidecar, 2)
    assert len(shown.variants) == 2
    assert await chosen(sidecar) == "20240229"


async def test_a_library_of_thousands_with_long_names_is_cut_to_lines(party: Party) -> None:
    hostile = await party.hostile()
    offer = hostile.offer(AOE2, LATER, "20240301")
    lines = [
        msgspec.structs.replace(offer.line, id=f"g{number}", name="n" * 500)
        for number in range(4096)
    ]
    hostile.answers[messages.ListGames] = saying(messages.Games(hostile.digest, lines))
    sidecar = await party.start("sidecar", peers=(hostile,))
    await until(lambda: len(sidecar.titles()) == 4096)
    assert max(len(each.name) for each in sidecar.titles()) == 200


async def test_a_download_that_names_no_content_takes_the_one_that_is_true(party: Party) -> None:
    _, sidecar = await poisoned(party, "20240301", bytes=1)
    status = await download(sidecar)
    assert (status.state, status.version) == (DownloadState.FINISHED, "20240229")
