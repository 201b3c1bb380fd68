"""What peers say, as values: ids are parsed here, and a line that makes no sense is left out."""

from collections.abc import Iterable, Iterator

from lanspread_peer.model.errors import InvalidField
from lanspread_peer.model.game import Description, GameSummary
from lanspread_peer.model.ids import ContentId, parse_game_id
from lanspread_peer.model.limits import MAX_LINE_NAME_CHARS
from lanspread_peer.model.version import Version
from lanspread_peer.wire.messages import GameLine, GameText


def summary_of(line: GameLine) -> GameSummary:
    """The summary in a line; raises InvalidField for a game id that no folder could have."""
    return GameSummary(
        id=parse_game_id(line.id),
        version=Version(line.version),
        content_id=ContentId(line.content_id),
        bytes=line.bytes,
        files=line.files,
        name=line.name[:MAX_LINE_NAME_CHARS],
    )


def summaries_of(lines: Iterable[GameLine]) -> Iterator[GameSummary]:
    """The summaries in those lines that have a possible game id."""
    for line in lines:
        try:
            yield summary_of(line)
        except InvalidField:
            continue


def description_of(text: GameText) -> Description:
    """The description in an answer."""
    return Description(
        name=text.name,
        description=text.description,
        publisher=text.publisher,
        release_year=text.release_year,
        genre=text.genre,
        max_players=text.max_players,
    )
