"""Answers to GetAvailability: what is here of a download, and what is added, until that is over."""

from collections import Counter

from lanspread_peer.model import errors
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import AVAILABILITY_HEARTBEAT_S, MAX_AVAILABILITIES_PER_PEER
from lanspread_peer.runtime.partial_offers import PartialOffer, PartialOffers
from lanspread_peer.transport.base import Stream
from lanspread_peer.wire.availability import SIGN_OF_LIFE, encode_added, encode_held
from lanspread_peer.wire.stream_codes import BUSY_RETRY_MS


class AvailabilityAnswers:
    """Tells proven peers; each may follow MAX_AVAILABILITIES_PER_PEER at a time."""

    def __init__(self, offers: PartialOffers) -> None:
        self._offers = offers
        self._followed: Counter[PeerId] = Counter()

    async def tell(self, peer_id: PeerId, stream: Stream, content_id: str) -> None:
        """Answer to the end; raises NotFoundByPeer, Busy, or what the stream raises."""
        offer = self._offers.find(content_id)
        if offer is None:
            raise errors.NotFoundByPeer("this content is not downloaded here")
        if self._followed[peer_id] >= MAX_AVAILABILITIES_PER_PEER:
            raise errors.Busy(BUSY_RETRY_MS)
        self._followed[peer_id] += 1
        try:
            await _tell(stream, offer)
        finally:
            self._followed[peer_id] -= 1
            if not self._followed[peer_id]:
                del self._followed[peer_id]


async def _tell(stream: Stream, offer: PartialOffer) -> None:
    with offer.followed() as follower:
        await stream.send(encode_held(follower.join(), offer.manifest.totals.chunks))
        while not follower.is_over:
            news = await follower.wait_news(AVAILABILITY_HEARTBEAT_S)
            for line in encode_added(news) if news else (SIGN_OF_LIFE,):
                await stream.send(line)
    await stream.send(b"", end=True)
