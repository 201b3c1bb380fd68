"""A game that a player downloaded, and looking at it again as a rescan does."""

from lanspread_peer.storage.found import FoundGame
from lanspread_peer.storage.hasher import IndexedGame
from lanspread_peer.storage.scanner import survey
from support.player import OLD, Player


def downloaded(player: Player) -> IndexedGame:
    """The old version, indexed again without reading anything."""
    player.download(player.offer(OLD))
    game, read = player.rescan()
    assert read == 0
    return game


def find_again(player: Player, game: FoundGame) -> FoundGame:
    """The game as a survey that knows this finds it."""
    (found,) = survey(player.game_dir, {game.key: game})
    return found
