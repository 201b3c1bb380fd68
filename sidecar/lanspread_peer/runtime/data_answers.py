"""Answers to requests for game bytes on message streams: one upload slot each.

Bytes are read in slices of one thread hop each, however many files a slice has, and each slice is
sent only after a look that its files are unchanged, so the end of an answer says that all of it
is what was hashed. Of a request that leaves the choice, it is made when the slot begins.
"""

from collections.abc import Iterable

from lanspread_peer.core.run_slices import FileRange, file_slices, slices_of
from lanspread_peer.model import errors
from lanspread_peer.model.limits import MAX_CHUNK_BYTES
from lanspread_peer.model.manifest import FileEntry, Manifest
from lanspread_peer.runtime.counters import RunningCounters
from lanspread_peer.runtime.data_requests import DataRequests
from lanspread_peer.runtime.offers import Offer
from lanspread_peer.runtime.rate_limits import RateLimit
from lanspread_peer.runtime.tasks import run_in_thread
from lanspread_peer.runtime.uploads import Slot, UploadSlots
from lanspread_peer.transport.base import Connection, Stream
from lanspread_peer.wire import messages

DataRequest = (
    messages.GetGameFileData | messages.GetGameFileChunk | messages.GetChunks | messages.GetAnyChunk
)


class DataAnswers:
    """Gives game bytes to whoever proved its id."""

    def __init__(
        self,
        requests: DataRequests,
        slots: UploadSlots,
        limit: RateLimit,
        counters: RunningCounters,
    ) -> None:
        self._requests = requests
        self._slots = slots
        self._limit = limit
        self._counters = counters

    async def give(self, connection: Connection, stream: Stream, request: DataRequest) -> None:
        """Answer to the end.

        Raises NotFoundByPeer, Refused, MalformedMessage, Busy, Stale or StorageError, and what the
        stream raises.
        """
        try:
            await self._give(connection, stream, request)
        except errors.Stale:
            self._requests.offers.look_again()
            raise
        await stream.send(b"", end=True)

    async def _give(self, connection: Connection, stream: Stream, request: DataRequest) -> None:
        match request:
            case messages.GetGameFileData():
                await self._give_file(connection, stream, request)
            case messages.GetGameFileChunk():
                await self._give_range(connection, stream, request)
            case messages.GetChunks():
                await self._give_run(connection, stream, request)
            case messages.GetAnyChunk():
                await self._give_any(connection, stream, request)

    async def _give_file(
        self, connection: Connection, stream: Stream, request: messages.GetGameFileData
    ) -> None:
        offer = self._requests.offers.game(request.content_id)
        entry = _file(offer.manifest, request.relative_path)
        # A slot for each part, so that a large file does not keep others from their turn.
        for start in range(0, max(entry.size, 1), MAX_CHUNK_BYTES):
            slices = file_slices(entry.path, start, min(MAX_CHUNK_BYTES, entry.size - start))
            async with self._slots.slot(connection, stream, goes_on=start > 0) as slot:
                await self._send(stream, slot, offer, slices)

    async def _give_range(
        self, connection: Connection, stream: Stream, request: messages.GetGameFileChunk
    ) -> None:
        offer = self._requests.offers.find(request.content_id)
        entry = _file(offer.manifest, request.relative_path)
        if request.length > entry.chunk_size or request.offset + request.length > entry.size:
            raise errors.Refused("a range beyond the file or larger than a chunk")
        slices = file_slices(entry.path, request.offset, request.length)
        async with self._slots.slot(connection, stream) as slot:
            await self._send(stream, slot, offer, slices)

    async def _give_run(
        self, connection: Connection, stream: Stream, request: messages.GetChunks
    ) -> None:
        offer, run = self._requests.run(request)
        async with self._slots.slot(connection, stream) as slot:
            await self._send(stream, slot, offer, slices_of(run))

    async def _give_any(
        self, connection: Connection, stream: Stream, request: messages.GetAnyChunk
    ) -> None:
        offer, wanted = self._requests.wanted(request)
        async with self._slots.slot(connection, stream) as slot:
            with self._requests.choice(request.content_id, wanted) as number:
                # By itself, so that whoever has it by now can say so before it is read.
                await stream.send(number.to_bytes(messages.CHUNK_NUMBER_BYTES, "big"))
                slices = slices_of([offer.manifest.chunk(number)])
                await self._send(stream, slot, offer, slices)

    async def _send(
        self, stream: Stream, slot: Slot, offer: Offer, slices: Iterable[list[FileRange]]
    ) -> None:
        for ranges in slices:
            slot.keep(0)
            data = await run_in_thread(_read, offer, ranges)
            await self._send_data(stream, slot, data)

    async def _send_data(self, stream: Stream, slot: Slot, data: bytes) -> None:
        start = 0
        while start < len(data):
            end = len(data)
            if self._limit.is_on:
                slot.rest()
                end = start + await self._limit.wait(end - start)
            slot.keep(end - start)
            await stream.send(data[start:end])
            self._counters.sent_bytes += end - start
            start = end


def _read(offer: Offer, ranges: list[FileRange]) -> bytes:
    return b"".join(offer.slices([ranges]))


def _file(manifest: Manifest, path: str) -> FileEntry:
    entry = manifest.file(path)
    if entry is None:
        raise errors.NotFoundByPeer("no such file in this content")
    return entry
