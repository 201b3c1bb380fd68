"""Whom the choice of a variant asks for its version."""

from random import Random
from typing import cast

from lanspread_peer.core.peer_db import PeerDb
from lanspread_peer.model.game import Variant
from lanspread_peer.model.ids import ContentId, PeerId
from lanspread_peer.model.version import Version
from lanspread_peer.runtime.manifests import Manifests
from lanspread_peer.runtime.variant_choice import VariantChoice
from support.manifests import game_manifest
from support.values import peer_id


async def test_no_id_is_asked_first_for_being_low() -> None:
    sources = tuple(sorted(peer_id(number) for number in range(20)))
    variant = Variant(ContentId("ab" * 32), Version("20240229"), 8, 1, sources)
    asked: list[PeerId] = []
    choice = VariantChoice(cast(Manifests, None), cast(PeerDb, None), asked.append, Random(1))
    manifest = game_manifest({"version.ini": b"20240229"})
    for _ in range(100):
        before = len(asked)
        assert await choice._version(variant, manifest) is None
        assert len(set(asked[before:])) == 3
    assert set(asked) == set(sources)
