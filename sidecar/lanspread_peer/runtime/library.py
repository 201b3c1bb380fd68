"""The local library: what the game folder holds, kept known, hashed and watched.

One survey runs at a time, in a thread; hashing follows in the same task, games that somebody
asked for first, then the smallest. A game is offered once it is hashed, and is taken back as
soon as a survey sees it changed; of a sealed one, only the changed files are. All state is touched
from the event loop only.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from lanspread_peer.core.library_revisions import LibraryRevisions
from lanspread_peer.model import errors
from lanspread_peer.model.events import Event, ScanFinished, Warned
from lanspread_peer.model.game import LocalGame, LocalState
from lanspread_peer.model.ids import ContentId, GameKey
from lanspread_peer.runtime.hash_progress import HashProgress
from lanspread_peer.runtime.logs import LogOnce
from lanspread_peer.runtime.tasks import TaskSet
from lanspread_peer.runtime.watch import wait_for_changes
from lanspread_peer.storage.found import FoundGame
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.hasher import HashPlan, IndexedGame, hash_game, plan, what_stays
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.scanner import survey

_log = structlog.get_logger(__name__)

# Watching may miss changes, on network drives above all; this finds them.
RESCAN_INTERVAL_S = 120.0
PROGRESS_INTERVAL_S = 0.25

OnChange = Callable[[frozenset[GameKey]], None]


class Library:
    """The games of one game folder at a time; `on_change` hears of every title that changed."""

    def __init__(self, index: Index, emit: Callable[[Event], None], on_change: OnChange) -> None:
        self.revisions = LibraryRevisions()
        self._index = index
        self._emit = emit
        self._on_change = on_change
        self._tasks = TaskSet()
        self._dirty = asyncio.Event()
        self._is_settled = False
        self._game_dir: GameDir | None = None
        self._found: dict[GameKey, FoundGame] = {}
        self._local: dict[GameKey, LocalGame] = {}
        self._indexed: dict[GameKey, IndexedGame] = {}
        self._by_content: dict[ContentId, IndexedGame] = {}
        # Of these, what is surely right is offered, and the rest has still to be hashed.
        self._offered_in_part: set[GameKey] = set()
        self._wanted: set[GameKey] = set()
        # What an earlier survey found of these counts for nothing.
        self._doubted: set[GameKey] = set()
        self._hashing = HashProgress()
        self._plans: dict[GameKey, HashPlan] = {}
        self._unhashable: set[GameKey] = set()
        self._told_digest = ""
        self._said = LogOnce()
        self._is_in_sight = True
        self._retry: asyncio.Task[None] | None = None

    async def open(self, game_dir: GameDir) -> None:
        """Switch to this game folder; returns once it is surveyed, while hashing goes on."""
        # At once, so that no download begins in a folder that is being left.
        self._game_dir = game_dir
        await self.close()
        gone = frozenset(self._local)
        for state in (self._found, self._local, self._indexed, self._by_content):
            state.clear()
        self._wanted.clear()
        self._doubted.clear()
        self._offered_in_part.clear()
        self._plans = {}
        self._told_digest = ""
        self.revisions.publish(())
        self._on_change(gone)
        await self._survey()
        if self._is_in_sight:
            await self._forget_removed()
        self.request_rescan()
        self._tasks.spawn("library", self._keep_known())
        self._tasks.spawn("library watch", self._watch(game_dir))
        self._tasks.spawn("library rescan", self._rescan_now_and_then())

    async def close(self) -> None:
        """Stop watching and hashing."""
        await self._tasks.close()

    def request_rescan(self) -> None:
        """Look at the game folder again soon."""
        self._is_settled = False
        self._dirty.set()

    def look_again(self, key: GameKey) -> None:
        """Offer a game no more until it is looked at afresh, as its files are not as they were."""
        found = self._found.get(key)
        if found is None:
            return
        self._withdraw(key)
        self._local[key] = _not_offered(found)
        self._doubted.add(key)
        self._publish([key])
        self.request_rescan()

    def removed(self, key: GameKey) -> None:
        """The files of a game were deleted."""
        self._found.pop(key, None)
        self._withdraw(key)
        self._publish([key])
        self.request_rescan()

    @property
    def is_indexing(self) -> bool:
        return not self._is_settled

    @property
    def game_dir(self) -> GameDir:
        """The current game folder."""
        assert self._game_dir is not None, "open() comes first"
        return self._game_dir

    @property
    def offered_count(self) -> int:
        return len(self._indexed)

    def local_games(self) -> dict[GameKey, LocalGame]:
        """Every game in the folder, offered or not."""
        return dict(self._local)

    def local_game(self, key: GameKey) -> LocalGame | None:
        return self._local.get(key)

    def indexed(self, key: GameKey) -> IndexedGame | None:
        """The game as it is offered; None while it is not. Not yet hashed ones are hurried."""
        game = self._indexed.get(key)
        if game is None and key in self._local:
            self._wanted.add(key)
        return game

    def by_content(self, content_id: ContentId) -> IndexedGame | None:
        """The offered game with this content, or None."""
        return self._by_content.get(content_id)

    def hashing_per_mille(self, key: GameKey) -> int:
        """How far the hashing of this game is, 0 to 1000."""
        return self._hashing.per_mille if self._hashing.key == key else 0

    async def _keep_known(self) -> None:
        while True:
            await self._dirty.wait()
            self._hashing = HashProgress()
            try:
                while self._dirty.is_set():
                    await self._look_and_hash()
            except Exception as error:  # noqa: BLE001 - no folder may end the library for good
                _log.exception("library trouble")
                self._emit(Warned("LIBRARY_TROUBLE", f"the game folder: {type(error).__name__}"))
                self._retry_soon()
                continue
            self._is_settled = True
            self._tell_scan(self._hashing.done_bytes)

    async def _look_and_hash(self) -> None:
        self._dirty.clear()
        self._unhashable.clear()
        await self._survey()
        while pending := await self._pending():
            hash_plan = max(pending, key=self._urgency)
            waiting = sum(each.bytes for each in pending) - hash_plan.bytes
            self._hashing.begin(hash_plan.found.key, hash_plan.bytes, waiting_bytes=waiting)
            await self._hash(hash_plan)

    def _tell_scan(self, hashed_bytes: int) -> None:
        # A look that found nothing new is nobody's business.
        if hashed_bytes or self.revisions.digest != self._told_digest:
            self._told_digest = self.revisions.digest
            self._emit(ScanFinished(len(self._indexed), hashed_bytes))

    async def _survey(self) -> None:
        by_key: dict[GameKey, FoundGame] = {}
        doubted = frozenset(self._doubted)
        for game in await self._look(doubted):
            # Of two folders that are one game, the one that is shared comes first.
            by_key.setdefault(game.key, game)
        self._doubted -= doubted
        self._take(by_key, doubted)

    async def _look(self, doubted: frozenset[GameKey]) -> list[FoundGame]:
        """What lies in the folder; nothing while the folder is gone, as when a disk was pulled."""
        known = {key: game for key, game in self._found.items() if key not in doubted}
        try:
            found = await asyncio.to_thread(survey, self.game_dir, known)
        except errors.StorageError as error:
            if self._is_in_sight:
                self._warn(error)
            self._is_in_sight = False
            self._retry_soon()
            return []
        self._is_in_sight = True
        return found

    async def _forget_removed(self) -> None:
        # Now, because a game that is just being published looks like one that is gone.
        folders = [game.folder for game in self._found.values()]
        try:
            await asyncio.to_thread(self._index.forget_other_games, self.game_dir, folders)
        except errors.StorageError as error:
            self._warn(error)

    def _take(self, found: dict[GameKey, FoundGame], doubted: frozenset[GameKey]) -> None:
        keys = self._found.keys() | found.keys()
        changed = {key for key in keys if self._found.get(key) != found.get(key)} | doubted
        self._found = found
        for key in changed:
            before = self._indexed.get(key)
            self._withdraw(key)
            if key not in found:
                continue
            self._local[key] = _not_offered(found[key])
            self._warn_of_fault(found[key])
            if before is not None and (rest := what_stays(before, found[key])):
                self._offer(key, rest)
                self._offered_in_part.add(key)
        self._publish(changed)

    def _offer(self, key: GameKey, game: IndexedGame) -> None:
        self._indexed[key] = game
        self._by_content[game.content_id] = game
        self._local[key] = game.local

    def _withdraw(self, key: GameKey) -> None:
        self._offered_in_part.discard(key)
        self._local.pop(key, None)
        game = self._indexed.pop(key, None)
        if game is not None:
            # Another folder may hold the same content under another name.
            same = (g for g in self._indexed.values() if g.content_id == game.content_id)
            self._by_content.pop(game.content_id, None)
            self._by_content.update((g.content_id, g) for g in same)

    def _publish(self, changed: Iterable[GameKey]) -> None:
        summaries = (game.summary for game in self._local.values())
        self.revisions.publish(summary for summary in summaries if summary is not None)
        if keys := frozenset(changed):
            self._on_change(keys)

    def _warn_of_fault(self, game: FoundGame) -> None:
        if game.fault and self._said.first_time(game.id, game.fault):
            _log.warning("game cannot be shared", game=game.id, fault=game.fault)
            self._emit(Warned("UNSAFE_GAME", f"{game.id} cannot be shared: {game.fault}"))

    async def _pending(self) -> list[HashPlan]:
        """What hashing the games that are not wholly offered yet takes."""
        unoffered = (self._found.keys() - self._indexed.keys()) | self._offered_in_part
        waiting = {
            key: game
            for key, game in self._found.items()
            if key in unoffered and not game.fault and key not in self._unhashable
        }
        plans = {k: p for k, p in self._plans.items() if waiting.get(k) is p.found}
        unplanned = [game for key, game in waiting.items() if key not in plans]
        try:
            made = await asyncio.to_thread(lambda: [plan(game, self._index) for game in unplanned])
        except errors.StorageError as error:
            self._warn(error)
            self._retry_soon()
            return []
        self._plans = plans | {each.found.key: each for each in made}
        return list(self._plans.values())

    def _urgency(self, hash_plan: HashPlan) -> tuple[bool, int]:
        return hash_plan.found.key in self._wanted, -hash_plan.bytes

    async def _hash(self, hash_plan: HashPlan) -> None:
        key = hash_plan.found.key
        try:
            game = await self._hash_in_thread(hash_plan)
        except errors.Stale:
            # Somebody is still writing to it: leave it until the folder is quiet.
            self._unhashable.add(key)
            self._retry_soon()
            return
        except errors.LanspreadError as error:
            self._cannot_hash(hash_plan.found, error)
            return
        if game is None or self._found.get(key) != hash_plan.found:
            return
        self._wanted.discard(key)
        self._offered_in_part.discard(key)
        self._offer(key, game)
        self._publish([key])

    def _cannot_hash(self, game: FoundGame, error: errors.LanspreadError) -> None:
        self._unhashable.add(game.key)
        if self._said.first_time(game.key, error.reason):
            self._warn(error, game=game.id)
        shown = self._local.get(game.key)
        if shown is not None and game.key not in self._indexed:
            self._local[game.key] = replace(shown, state=LocalState.UNSAFE, fault=error.message)
            self._publish([game.key])

    async def _hash_in_thread(self, hash_plan: HashPlan) -> IndexedGame | None:
        """The game, or None when it is another one by now."""
        progress, cancelled = self._hashing, threading.Event()
        work = asyncio.ensure_future(
            asyncio.to_thread(
                hash_game,
                self.game_dir,
                hash_plan,
                self._index,
                on_bytes=progress.add,
                is_cancelled=cancelled.is_set,
            )
        )
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=PROGRESS_INTERVAL_S)
                if hash_plan.bytes and not work.done():
                    self._emit(progress.event(hash_plan.found.id))
                    await self._look_meanwhile(hash_plan, cancelled)
            return work.result()
        finally:
            # The thread must be gone before the game folder may be switched.
            cancelled.set()
            await asyncio.wait({work})

    async def _look_meanwhile(self, hash_plan: HashPlan, cancelled: threading.Event) -> None:
        """Hashing one game may take many minutes: what else changes is not kept waiting."""
        if not self._dirty.is_set():
            return
        self._dirty.clear()
        await self._survey()
        if self._found.get(hash_plan.found.key) != hash_plan.found:
            cancelled.set()
            return
        for each in await self._pending():
            # Such as a game that was just downloaded: nothing of it needs reading.
            if each.bytes == 0 and each.found.key != hash_plan.found.key:
                await self._hash(each)

    async def _watch(self, game_dir: GameDir) -> None:
        try:
            async for _ in wait_for_changes(game_dir.root):
                self.request_rescan()
        except errors.StorageError as error:
            self._emit(Warned("WATCH_FAILED", error.message))

    async def _rescan_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(RESCAN_INTERVAL_S)
            self.request_rescan()

    def _warn(self, error: errors.LanspreadError, game: str = "") -> None:
        _log.warning("library trouble", game=game, detail=error.message)
        self._emit(Warned(error.reason, f"{game}: {error.message}" if game else error.message))

    def _retry_soon(self) -> None:
        if self._retry is None or self._retry.done():
            self._retry = self._tasks.spawn("library retry", self._rescan_later())

    async def _rescan_later(self) -> None:
        await asyncio.sleep(2.0)
        self.request_rescan()


def _not_offered(game: FoundGame) -> LocalGame:
    return LocalGame(
        id=game.id,
        state=LocalState.UNSAFE if game.fault else LocalState.INDEXING,
        version=game.version,
        installed=game.installed,
        description=game.description,
        fault=game.fault,
        sealed=game.look.seal is not None,
    )
