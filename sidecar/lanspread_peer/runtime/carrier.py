"""What fetching needs of whoever carries its requests to a source, over whatever transport.

The planner decides on requests, runtime/fetch_requests.py keeps their tasks, and a carrier brings
the bytes: it verifies and writes each chunk as it comes, and reports it before the next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lanspread_peer.core.assignment import Assignment
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.manifest import Chunk, FileEntry, Manifest
from lanspread_peer.storage.staging import Staging
from lanspread_peer.transport.base import Connection


@dataclass(frozen=True, slots=True)
class Target:
    """What is fetched, and where it goes."""

    content_id: ContentId
    manifest: Manifest
    staging: Staging


class Reports(Protocol):
    """Who hears what comes of one request; called in its own task."""

    def on_bytes(self, count: int) -> None:
        """So many more bytes came, right or wrong."""
        ...

    def on_chosen(self, number: int) -> bool:
        """The source chose this chunk, so it says; False when the request is to end at once."""
        ...

    def on_chunk(self, chunk: Chunk) -> None:
        """A chunk is verified and written."""
        ...


class Carrier(Protocol):
    """Carries out the requests of all downloads of one sidecar."""

    async def fetch(
        self, connection: Connection, target: Target, asked: Assignment, reports: Reports
    ) -> None:
        """Carry out one request to its end.

        Raises IntegrityError for wrong, short or long bytes, SourceUnavailable, StorageError; Busy
        too when no memory is free for it. What was reported stays. Cancelled, it ends at once.
        """
        ...

    async def fetch_file(
        self,
        connection: Connection,
        target: Target,
        entry: FileEntry,
        on_chunk: Callable[[Chunk], None],
    ) -> None:
        """Fetch a whole file in one request; reports and raises as `fetch` does."""
        ...
