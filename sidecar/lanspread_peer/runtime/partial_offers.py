"""What this sidecar downloads and serves in part meanwhile, and who is told of its chunks.

An offer begins with its download's fetching. When that fails or stops, the offer ends at once, for
uploads that run too. When it finishes, the offer stays until the library offers the game, so that
there is no moment in which nobody may have what is here. The next download of the same content
takes its place before that; whoever follows it hears the end then.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from lanspread_peer.core.chunk_news import ChunkNews
from lanspread_peer.core.chunk_set import ChunkSet
from lanspread_peer.core.run_slices import FileRange
from lanspread_peer.model.errors import NotFoundByPeer
from lanspread_peer.model.game import GameSummary
from lanspread_peer.model.ids import ContentId
from lanspread_peer.model.manifest import Manifest
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.library import Library
from lanspread_peer.storage.partial_content import PartialContent
from lanspread_peer.storage.staging import Staging

# A library that does not offer a finished game by then will not do so; maybe the folder is gone.
_LONGEST_TO_LIBRARY_S = 60.0


class PartialOffer:
    """One download's content; made in a thread, as it looks at the disk. Serves as an Offer."""

    def __init__(self, content: PartialContent, staging: Staging) -> None:
        staged, totals = staging.staged, content.manifest.totals
        self.content_id = staged.content_id
        self.summary = GameSummary(
            staged.game_id, staged.version, staged.content_id, totals.bytes, totals.files
        )
        self.content = content
        self._news = ChunkNews(content.held)
        self._listeners: dict[Hashable, asyncio.Event] = {}
        self.is_finished = False
        self._is_withdrawn = False

    @property
    def manifest(self) -> Manifest:
        return self.content.manifest

    @property
    def is_over(self) -> bool:
        """Whether there is no more news."""
        return self.is_finished or self._is_withdrawn

    @property
    def held(self) -> ChunkSet:
        """The chunks that others may hear of."""
        return self._news.held & ~self.content.lost

    def slices(self, slices: Iterable[Iterable[FileRange]]) -> Iterator[bytes]:
        """See Offer."""
        for data in self.content.slices(slices):
            if self._is_withdrawn:
                raise NotFoundByPeer("the download ended before its end")
            yield data

    def add(self, number: int) -> None:
        """A chunk is verified and in the staging."""
        self._news.add(number)
        self._wake()

    @contextmanager
    def followed(self) -> Iterator["Follower"]:
        """Within it, one more neighbour hears of the chunks."""
        follower = Follower(self, self._news)
        self._listeners[follower] = follower.woken
        try:
            yield follower
        finally:
            del self._listeners[follower]
            self._news.leave(follower)

    def finish(self) -> None:
        """The library has all of it now; what is being sent goes on."""
        self.is_finished = True
        self._wake()

    def withdraw(self) -> None:
        """Nobody is told or given anything more."""
        self._is_withdrawn = True
        self._wake()

    def _wake(self) -> None:
        for woken in self._listeners.values():
            woken.set()


class Follower:
    """A neighbour that wants to be told, as the offer's news see it."""

    def __init__(self, offer: PartialOffer, news: ChunkNews) -> None:
        self._offer = offer
        self._news = news
        self._lost = offer.content.lost
        self.woken = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether it is told nothing more; what was lost since can be told by joining again only.

        Of that a thread hears first, which wakes nobody.
        """
        return self._offer.is_over or self._lost != self._offer.content.lost

    def join(self) -> ChunkSet:
        """What there is already."""
        return self._news.join(self, now=monotonic_s()) & ~self._lost

    async def wait_news(self, at_most_s: float) -> Sequence[tuple[int, int]]:
        """The ranges added since the last time; none when there are none for so long, or ever."""
        now = monotonic_s()
        deadline = now + at_most_s
        while not self.is_over:
            self.woken.clear()
            now = monotonic_s()
            due_at = self._news.due_at(self)
            if due_at is not None and now >= due_at:
                return self._news.take(self, now=now)
            if now >= deadline:
                return ()
            if due_at is not None:
                # What comes meanwhile goes into the same batch.
                await asyncio.sleep(due_at - now)
                continue
            try:
                async with asyncio.timeout(deadline - now):
                    await self.woken.wait()
            except TimeoutError:
                continue
        # The last of them did not wait for their turn.
        return self._news.take(self, now=now) if self._offer.is_finished else ()


class PartialOffers:
    """The partial offers of one sidecar; `on_change` is told all of them when others should be."""

    def __init__(
        self, library: Library, on_change: Callable[[Iterable[GameSummary]], None]
    ) -> None:
        self._library = library
        self._on_change = on_change
        self._offers: dict[ContentId, PartialOffer] = {}
        self._finished: dict[PartialOffer, asyncio.TimerHandle] = {}

    def find(self, content_id: str) -> PartialOffer | None:
        """The offer with this content, or None."""
        return self._offers.get(ContentId(content_id))

    @contextmanager
    def offered(self, offer: PartialOffer) -> Iterator[None]:
        """Offer it while the block runs, and, when that ends well, until the library does."""
        old = self._offers.get(offer.content_id)
        if old is not None:
            # What is being sent of it goes on.
            old.finish()
            self._remove(old)
        self._offers[offer.content_id] = offer
        self._tell()
        try:
            yield
        except BaseException:
            offer.withdraw()
            self._remove(offer)
            self._tell()
            raise
        loop = asyncio.get_running_loop()
        self._finished[offer] = loop.call_later(_LONGEST_TO_LIBRARY_S, self._retire, offer)
        self.library_changed()

    def library_changed(self) -> None:
        """The library may offer by now what was downloaded, or be that of another folder."""
        for offer in list(self._finished):
            is_elsewhere = self._library.game_dir.root != offer.content.game_dir.root
            game = self._library.by_content(offer.content_id)
            if is_elsewhere or (game is not None and game.local.is_whole):
                self._retire(offer)

    def close(self) -> None:
        """Wait for the library no more, and tell nobody."""
        for offer in list(self._finished):
            self._remove(offer)

    def _retire(self, offer: PartialOffer) -> None:
        offer.finish()
        self._remove(offer)
        self._tell()

    def _remove(self, offer: PartialOffer) -> None:
        timer = self._finished.pop(offer, None)
        if timer is not None:
            timer.cancel()
        if self._offers.get(offer.content_id) is offer:
            del self._offers[offer.content_id]

    def _tell(self) -> None:
        self._on_change([offer.summary for offer in self._offers.values()])
