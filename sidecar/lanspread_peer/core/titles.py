"""Titles: the local library and what the peers hold, merged into what a front end shows.

Peers may say different things of one content id, so each thing is what most of them say. A
title that only the local library has is a title like any other.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TypeVar

from lanspread_peer.core.version_choice import rank_variants
from lanspread_peer.model.game import GameSummary, LocalGame, Title, Variant
from lanspread_peer.model.ids import ContentId, PeerId
from lanspread_peer.model.version import doubt_about, version_order

_T = TypeVar("_T")


def make_title(
    local: LocalGame | None, holders: Mapping[PeerId, GameSummary], *, today: date
) -> Title | None:
    """The title that these make together, or None when nobody has it."""
    if local is None and not holders:
        return None
    game_id = local.id if local else _commonest(game.id for game in holders.values())
    names = [game.name for game in holders.values() if game.name]
    name = (local.description.name if local else "") or (_commonest(names) if names else game_id)
    return Title(game_id, name, local, variants_of(holders, today=today))


def variants_of(holders: Mapping[PeerId, GameSummary], *, today: date) -> tuple[Variant, ...]:
    """The variants among what the peers hold, the one to choose first."""
    groups: dict[ContentId, dict[PeerId, GameSummary]] = defaultdict(dict)
    for peer, game in holders.items():
        groups[game.content_id][peer] = game
    return rank_variants(_make_variant(held, today) for held in groups.values())


def is_update(title: Title) -> bool:
    """Whether a download would by itself choose a newer version than the local one."""
    if title.local is None or title.latest is None:
        return False
    return version_order(title.latest.version) > version_order(title.local.version)


def _make_variant(held: Mapping[PeerId, GameSummary], today: date) -> Variant:
    games = held.values()
    # One peer's doubtful word must not spoil what others say of the same content.
    said = [game.version for game in games]
    version = _commonest([v for v in said if not doubt_about(v, today)] or said)
    return Variant(
        content_id=next(iter(games)).content_id,
        version=version,
        bytes=_commonest(game.bytes for game in games),
        files=_commonest(game.files for game in games),
        sources=tuple(sorted(held)),
        doubt=doubt_about(version, today),
    )


def _commonest(values: Iterable[_T]) -> _T:
    """The value that is said most often; among equals the least, so that no order decides."""
    counts = Counter(values)
    most = max(counts.values())
    return min((value for value, count in counts.items() if count == most), key=str)
