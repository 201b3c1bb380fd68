"""Which variant of a game is the best one to download.

Only the order is decided here; who offers what comes from the peer database, and whether a
version is doubtful from the model. A doubtful one is never chosen: a command has to name it.
"""

from collections.abc import Iterable

from lanspread_peer.model.errors import NoPeersHaveGame, NoVersionChosen
from lanspread_peer.model.game import Variant
from lanspread_peer.model.version import version_order


def rank_variants(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """The best first: no doubt, the latest version, the most sources; then by content id.

    The last makes the order the same on every peer that sees the same variants.
    """
    ranked = sorted(variants, key=lambda variant: variant.content_id)
    ranked.sort(key=lambda variant: len(variant.sources), reverse=True)
    ranked.sort(key=lambda variant: version_order(variant.version), reverse=True)
    ranked.sort(key=lambda variant: bool(variant.doubt))
    return tuple(ranked)


def choose(variants: Iterable[Variant]) -> Variant:
    """The variant to download when the command names none.

    Raises NoPeersHaveGame when nobody offers any, NoVersionChosen when all that are offered are
    doubtful.
    """
    offered = [variant for variant in rank_variants(variants) if variant.sources]
    if not offered:
        raise NoPeersHaveGame("no connected peer offers this game")
    best = offered[0]
    if best.doubt:
        raise NoVersionChosen(
            f"every version offered is doubtful ({best.doubt}); name a content id to take one",
            content_id=best.content_id,
            doubt=best.doubt,
        )
    return best
