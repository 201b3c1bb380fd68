"""Version choice: the order of variants, and when there is none to choose."""

from itertools import permutations

import pytest

from lanspread_peer.core.version_choice import choose, rank_variants
from lanspread_peer.model.errors import NoPeersHaveGame, NoVersionChosen
from lanspread_peer.model.game import Variant
from lanspread_peer.model.ids import ContentId, PeerId
from lanspread_peer.model.version import Version


def make_variant(content: str, version: str, sources: int = 1, doubt: str = "") -> Variant:
    peers = tuple(PeerId(f"peer-{index}") for index in range(sources))
    return Variant(ContentId(content * 64), Version(version), 1, 1, peers, doubt)


BEST_FIRST = (
    make_variant("4", "20240301", 1),
    make_variant("3", "20240229", 3),
    make_variant("1", "20240229", 2),
    make_variant("2", "20240229", 2),
    make_variant("5", "9.1", 9),
    make_variant("6", "beta", 9),
    make_variant("0", "20991231", 9, "the version is a date in the future"),
)


def test_variants_are_ranked_by_doubt_version_sources_and_content_id() -> None:
    for order in permutations(BEST_FIRST):
        assert rank_variants(order) == BEST_FIRST


def test_the_best_variant_is_chosen() -> None:
    assert choose(BEST_FIRST[::-1]) == BEST_FIRST[0]


def test_a_variant_that_nobody_offers_is_not_chosen() -> None:
    newest = make_variant("7", "20250101", sources=0)
    assert choose([newest, BEST_FIRST[1]]) == BEST_FIRST[1]
    with pytest.raises(NoPeersHaveGame):
        choose([newest])


def test_without_variants_nobody_has_the_game() -> None:
    with pytest.raises(NoPeersHaveGame):
        choose([])


def test_doubtful_versions_alone_are_not_chosen() -> None:
    with pytest.raises(NoVersionChosen) as caught:
        choose([BEST_FIRST[-1]])
    assert caught.value.metadata["content_id"] == "0" * 64
