"""Offers of what is being downloaded: who hears of it, when, and how long it lasts."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lanspread_peer.core.chunk_news import ChunkNews
from lanspread_peer.core.chunk_set import chunk_set
from lanspread_peer.core.run_slices import slices_of
from lanspread_peer.model.errors import NotFoundByPeer
from lanspread_peer.model.game import GameSummary
from lanspread_peer.model.paths import SafeRelPath
from lanspread_peer.runtime import partial_offers
from lanspread_peer.runtime.availability_answers import AvailabilityAnswers
from lanspread_peer.runtime.library import Library
from lanspread_peer.runtime.partial_offers import PartialOffer, PartialOffers
from lanspread_peer.storage.partial_content import PartialContent
from lanspread_peer.transport.base import Stream
from support.party import until
from support.stagings import chunk_data, manifest_of, new_staging
from support.storage_folders import make_game_dir
from support.values import peer_id

FILES = {"a": b"1", "b": b"2", "version.ini": b"3"}
MANIFEST = manifest_of(FILES)
LONG_S = 60.0


class Known:
    """As much of a library as counts here."""

    def __init__(self, offer: PartialOffer) -> None:
        self.game_dir = offer.content.game_dir
        self.game: Any = None

    def by_content(self, _content_id: str) -> Any:
        return self.game


def make_offer(folder: Path) -> PartialOffer:
    """Of a download that has all three chunks."""
    staging = new_staging(make_game_dir(folder, {}), MANIFEST)
    for number in range(3):
        staging.write_chunk(MANIFEST.chunk(number), chunk_data(MANIFEST, FILES, number))
    made = PartialOffer(PartialContent(staging, "aoe2", []), staging)
    staging.close()
    return made


@pytest.fixture
def offer(tmp_path: Path) -> PartialOffer:
    return make_offer(tmp_path / "games")


def offers_of(known: Known) -> tuple[PartialOffers, list[int]]:
    """The offers, and how many others were told of each time."""
    told: list[int] = []

    def note(games: Iterable[GameSummary]) -> None:
        told.append(len(list(games)))

    return PartialOffers(cast(Library, known), note), told


def fresh(offer: PartialOffer) -> PartialOffer:
    """The same, as if nothing were known of yet."""
    offer._news = ChunkNews(0)
    return offer


async def test_news_comes_in_batches(offer: PartialOffer) -> None:
    assert offer.held == 0b111
    with fresh(offer).followed() as follower:
        assert follower.join() == 0
        waiting = asyncio.ensure_future(follower.wait_news(LONG_S))
        await asyncio.sleep(0)
        offer.add(0)
        offer.add(1)
        assert await waiting == ((0, 2),)
        offer.add(2)
        assert await follower.wait_news(LONG_S) == ((2, 1),)
        assert await follower.wait_news(0.0) == ()
    assert not offer._listeners


async def test_the_last_news_is_told_when_it_is_finished_and_not_when_it_is_withdrawn(
    offer: PartialOffer,
) -> None:
    with fresh(offer).followed() as follower, offer.followed() as other:
        follower.join()
        other.join()
        offer.add(0)
        offer.finish()
        assert await follower.wait_news(LONG_S) == ((0, 1),)
        offer.is_finished = False
        offer.withdraw()
        assert await other.wait_news(LONG_S) == ()
        assert offer.is_over


async def test_withdrawn_it_gives_nothing_more_even_in_the_middle(offer: PartialOffer) -> None:
    slices = offer.slices([*slices_of(MANIFEST.run(0, 1)), *slices_of(MANIFEST.run(1, 1))])
    assert next(slices) == b"1"
    offer.withdraw()
    with pytest.raises(NotFoundByPeer):
        next(slices)


async def test_finished_it_is_offered_until_the_library_has_all_of_it(offer: PartialOffer) -> None:
    known = Known(offer)
    offers, told = offers_of(known)
    with offers.offered(offer):
        assert offers.find(offer.content_id) is offer
    known.game = SimpleNamespace(local=SimpleNamespace(is_whole=False))
    offers.library_changed()
    assert offers.find(offer.content_id) is offer
    assert told == [1]
    known.game.local.is_whole = True
    offers.library_changed()
    assert offers.find(offer.content_id) is None
    assert told == [1, 0]
    assert list(offer.slices(slices_of(MANIFEST.run(0, 1)))) == [b"1"]


async def test_a_library_that_never_offers_it_is_not_waited_for_longer_than_that(
    offer: PartialOffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_offers, "_LONGEST_TO_LIBRARY_S", 0.0)
    offers, told = offers_of(Known(offer))
    with offers.offered(offer):
        pass
    await until(lambda: offer.is_finished)
    assert told == [1, 0]


async def test_another_game_folder_ends_it(offer: PartialOffer, tmp_path: Path) -> None:
    known = Known(offer)
    offers, _ = offers_of(known)
    with offers.offered(offer):
        pass
    known.game_dir = make_game_dir(tmp_path / "elsewhere", {})
    offers.library_changed()
    assert offers.find(offer.content_id) is None


async def test_a_download_that_fails_ends_its_offer(offer: PartialOffer) -> None:
    offers, told = offers_of(Known(offer))
    with pytest.raises(RuntimeError), offers.offered(offer):
        raise RuntimeError
    assert offers.find(offer.content_id) is None
    assert told == [1, 0]
    assert offer.is_over
    assert chunk_set([0]) & offer.held


async def test_at_the_end_of_the_sidecar_nobody_is_told(offer: PartialOffer) -> None:
    offers, told = offers_of(Known(offer))
    with offers.offered(offer):
        pass
    offers.close()
    assert told == [1]
    assert offers.find(offer.content_id) is None


class Heard:
    """A follower's stream."""

    def __init__(self) -> None:
        self.is_ended = False

    async def send(self, _data: bytes, *, end: bool = False) -> None:
        self.is_ended |= end


async def test_followers_of_an_offer_that_the_next_download_replaces_hear_its_end(
    offer: PartialOffer, tmp_path: Path
) -> None:
    offers, told = offers_of(Known(offer))
    answers, heard = AvailabilityAnswers(offers), Heard()
    slices = offer.slices([*slices_of(MANIFEST.run(0, 1)), *slices_of(MANIFEST.run(1, 1))])
    with offers.offered(offer):
        following = asyncio.ensure_future(
            answers.tell(peer_id(1), cast(Stream, heard), offer.content_id)
        )
        await until(lambda: offer._listeners)
        assert next(slices) == b"1"
    after = make_offer(tmp_path / "next")
    with offers.offered(after):
        await until(following.done)
        assert offers.find(offer.content_id) is after
        assert told == [1, 1]
    assert heard.is_ended
    # An upload that runs goes on.
    assert list(slices) == [b"2"]
    offers.close()


async def test_followers_are_told_anew_when_a_file_was_lost(offer: PartialOffer) -> None:
    with fresh(offer).followed() as follower:
        offer.add(0)
        offer.add(1)
        assert follower.join() == 0b11
        offer.content.lose(SafeRelPath("a"))
        assert follower.is_over
        assert await follower.wait_news(LONG_S) == ()
    assert offer.held == 0b10
    with offer.followed() as follower:
        assert follower.join() == 0b10
        assert not follower.is_over
    offers, _ = offers_of(Known(offer))
    answers, heard = AvailabilityAnswers(offers), Heard()
    with offers.offered(offer):
        following = asyncio.ensure_future(
            answers.tell(peer_id(1), cast(Stream, heard), offer.content_id)
        )
        await until(lambda: offer._listeners)
        offer.content.lose(SafeRelPath("b"))
        offer.add(2)
        await until(following.done)
    assert heard.is_ended
    offers.close()
