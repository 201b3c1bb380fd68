"""Reading event streams to a certain point."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias, TypeVar

from lanspread.peer.v1.events_pb2 import WatchEventsResponse
from lanspread.peer.v1.types_pb2 import Download, Game
from lanspread_client import Client

PATIENCE_S = 30.0

Events: TypeAlias = AsyncGenerator[WatchEventsResponse, None]
_T = TypeVar("_T")


async def find(events: Events, pick: Callable[[WatchEventsResponse], _T | None]) -> _T:
    """What `pick` finds first, which must be true; the stream stays open."""
    async with asyncio.timeout(PATIENCE_S):
        async for message in events:
            if found := pick(message):
                return found
    raise AssertionError("the events ended too soon")


def snapshot_end(message: WatchEventsResponse) -> str:
    """The instance id with which a snapshot ends, else nothing."""
    return message.snapshot_complete.instance_id


def games_in(message: WatchEventsResponse) -> Sequence[Game]:
    match message.WhichOneof("event"):
        case "games_updated":
            return message.games_updated.games
        case "snapshot_item" if message.snapshot_item.HasField("game"):
            return [message.snapshot_item.game]
    return []


def download_in(message: WatchEventsResponse) -> Download | None:
    """The download that an event tells of, which is no part of a snapshot."""
    kind = message.WhichOneof("event") or ""
    if not kind.startswith("download_game_files_"):
        return None
    download: Download = getattr(message, kind).download
    return download


async def add_seeder(client: Client) -> str:
    """The id of the seeder's game, once that is known to be there."""
    game_id = os.environ["CONFORMANCE_GAME"]
    await client.add_peer(os.environ["CONFORMANCE_SEEDER"])
    async with aclosing(client.events()) as events:
        await find(
            events,
            lambda message: any(
                game.id == game_id and game.peer_count for game in games_in(message)
            ),
        )
    return game_id
