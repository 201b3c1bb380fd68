"""Verifying: all files of a game are read again and compared with the content it is offered with.

What is found right or wrong goes to the index, so that the library needs no second look. Nothing
else is written.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lanspread_peer.model.errors import Stale, UnsafeGame
from lanspread_peer.model.limits import MAX_FINDINGS_PER_KIND
from lanspread_peer.model.manifest import VERSION_INI, Manifest
from lanspread_peer.model.paths import is_shared
from lanspread_peer.model.verification import Finding, FindingKind
from lanspread_peer.storage.found import FoundGame
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.hasher import HashPlan, IndexedGame, hash_game
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.layout import walk_game
from lanspread_peer.storage.records import normal_path
from lanspread_peer.storage.scanner import survey_game
from lanspread_peer.storage.thing import Kind, thing_at


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found: the first paths of each kind, and how many there are."""

    findings: tuple[Finding, ...]
    missing: int
    changed: int
    extra: int

    @property
    def is_intact(self) -> bool:
        """Whether all of the content is there."""
        return not self.missing and not self.changed


def plan_verification(game_dir: GameDir, game: IndexedGame) -> HashPlan:
    """Everything that must be read.

    Raises Stale when another content is there, UnsafeGame, or GameDirGone.
    """
    game_dir.require_present()
    found = survey_game(game_dir, game.found.folder)
    if found is None:
        raise Stale(f"{game.found.id!a} is gone")
    if found.fault:
        raise UnsafeGame(f"{found.id!a} is not shared: {found.fault}", fault=found.fault)
    if _content_of(found) != _content_of(game.found):
        raise Stale(f"{found.id!a} is another content now")
    seal = found.look.seal
    worth = [
        file
        for file in found.files
        if seal is None or ((entry := seal.manifest.file(file.path)) and entry.size == file.size)
    ]
    return HashPlan(found, {}, tuple(worth), ())


def verify(
    game_dir: GameDir,
    game: IndexedGame,
    plan: HashPlan,
    index: Index,
    *,
    on_bytes: Callable[[int], None],
    is_cancelled: Callable[[], bool],
) -> Verified | None:
    """Read what the plan says and compare; None when it was cancelled.

    Raises Stale when a file changed meanwhile, UnsafeGame, GameDirGone or StorageError. In a sealed
    game a file that cannot be read counts as changed.
    """
    try:
        read = hash_game(game_dir, plan, index, on_bytes=on_bytes, is_cancelled=is_cancelled)
    finally:
        # Or what went with its disk would seem to be changed or missing.
        game_dir.require_present()
    if read is None:
        return None
    there = {file.path for file in plan.found.files}
    missing, changed = [], []
    for entry in game.manifest.files:
        if entry.path not in there:
            missing.append(entry.path)
        elif entry.path not in read.served or read.manifest.file(entry.path) != entry:
            changed.append(entry.path)
    extra = _extra(game_dir, plan.found.folder, game.manifest)
    kept = [
        *_first(missing, FindingKind.MISSING),
        *_first(changed, FindingKind.CHANGED),
        *_first(extra, FindingKind.EXTRA),
    ]
    kept.sort(key=lambda finding: finding.path)
    return Verified(tuple(kept), len(missing), len(changed), len(extra))


def forget_version(game_dir: GameDir, folder: str, index: Index) -> None:
    """Let the `version.ini` of a game be read again, whatever its time says.

    It decides whether the seal holds, so that the next look must see what it is. Raises
    StorageError.
    """
    index.replace_rows(game_dir, folder, {}, [VERSION_INI])


def _content_of(found: FoundGame) -> object:
    return None if found.look.seal is None else found.look.seal.content_id


def _extra(game_dir: GameDir, folder: str, manifest: Manifest) -> list[str]:
    _, others = walk_game(game_dir, folder)
    return [
        path
        for path in others
        if manifest.file(normal_path(path)) is None
        and is_shared(normal_path(path))
        and _is_file(game_dir, folder, path)
    ]


def _is_file(game_dir: GameDir, folder: str, path: str) -> bool:
    thing = thing_at(game_dir, f"{folder}/{path}")
    return thing is not None and thing.kind is Kind.FILE


def _first(paths: Iterable[str], kind: FindingKind) -> list[Finding]:
    # A name on a disk may be no text, which nobody could be told.
    told = (path.encode("utf-8", "replace").decode("utf-8") for path in paths)
    return [Finding(path, kind) for path in sorted(told)[:MAX_FINDINGS_PER_KIND]]
