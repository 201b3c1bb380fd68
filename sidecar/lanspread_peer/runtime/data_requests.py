"""What a request for chunks means, whichever transport it came by."""

from collections.abc import Iterator
from contextlib import contextmanager

from lanspread_peer.core.any_choice import AnyChoice
from lanspread_peer.core.chunk_set import ChunkSet
from lanspread_peer.model import errors
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.limits import MAX_RUN_BYTES
from lanspread_peer.model.manifest import Chunk, Manifest
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.offers import Offer, Offers
from lanspread_peer.wire import messages
from lanspread_peer.wire.chunk_bitmap import decode_bitmap


class DataRequests:
    """Looks up what is asked for, and chooses where that is left to us."""

    def __init__(self, offers: Offers, choice: AnyChoice) -> None:
        self.offers = offers
        self._choice = choice

    def run(self, request: messages.GetChunks) -> tuple[Offer, list[Chunk]]:
        """The chunks that are asked for; raises NotFoundByPeer or Refused."""
        offer = self.offers.find(request.content_id)
        run = offer.manifest.run(request.first, request.count)
        if not run or sum(chunk.length for chunk in run) > MAX_RUN_BYTES:
            raise errors.Refused("chunks beyond the last one, or too many bytes in all")
        return offer, run

    def wanted(self, request: messages.GetAnyChunk) -> tuple[Offer, ChunkSet]:
        """The chunks to choose from; raises NotFoundByPeer, Refused or MalformedMessage."""
        offer = self.offers.whole(request.content_id)
        wanted = _wanted(request, offer.manifest)
        if not wanted:
            raise errors.Refused("expected a chunk to choose")
        return offer, wanted

    @contextmanager
    def choice(self, content_id: str, wanted: ChunkSet) -> Iterator[int]:
        """One of them; when the block fails, it counts as not given."""
        content = ContentId(content_id)
        number = self._choice.choose(content, wanted, now=monotonic_s())
        assert number is not None, "nothing is wanted"
        try:
            yield number
        except BaseException:
            self._choice.not_given(content, number)
            raise


def _wanted(request: messages.GetAnyChunk, manifest: Manifest) -> ChunkSet:
    count = manifest.totals.chunks - request.first
    if count <= 0:
        raise errors.Refused("chunks beyond the last one")
    return decode_bitmap(request.wanted, count) << request.first
