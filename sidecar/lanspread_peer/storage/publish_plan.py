"""What a publish will do, decided before anything is moved (design section 6, step 6).

The order makes `version.ini` vanish first and appear last, so a game folder in between is no game.
What is in the way goes to `.lanspread/displaced/` when it is ours, to be deleted in the end, and to
`.lanspread/conflicts/` when it is a person's, to stay.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lanspread_peer.model.manifest import VERSION_INI, FileEntry, Manifest
from lanspread_peer.model.paths import SafeRelPath, fold_path
from lanspread_peer.storage.layout import Layout, Place, joined, name_in, parent
from lanspread_peer.storage.moves import (
    DropFolder,
    MakeFolder,
    Move,
    MoveFolder,
    QuickStep,
    SyncFolder,
)
from lanspread_peer.storage.records import record_path


@dataclass(frozen=True, slots=True)
class PublishJob:
    """What is to be published; `folder` is the name on disk of the game's folder.

    `staged` is where the new files lie, `whole` are the manifest's folders of which exactly what is
    to be published lies there, `staged_record` is the new record. `own` and `obsolete` are paths on
    disk in the game's folder; `conflicts` and `displaced` are free paths. `old_record` is None also
    when there is one that makes no sense.
    """

    folder: str
    manifest: Manifest
    files: Sequence[FileEntry]
    keep: Collection[SafeRelPath]
    own: Collection[str]
    obsolete: Collection[str]
    old_record: Manifest | None
    has_old_record: bool
    staged: str
    whole: Collection[SafeRelPath]
    staged_record: str
    conflicts: str
    displaced: str


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """The steps in order; `conflicts` are paths below the root of the game folder."""

    steps: tuple[QuickStep, ...]
    conflicts: tuple[str, ...]


def plan_publish(job: PublishJob, layout: Layout) -> PublishPlan:
    """The plan for a game folder that lies as in `layout`."""
    planner = _Planner(job, layout)
    planner.run()
    return PublishPlan(tuple(planner.steps), tuple(planner.conflicts))


_Parts = list[MakeFolder | Move | SyncFolder]


@dataclass(slots=True)
class _Planner:
    job: PublishJob
    layout: Layout
    steps: list[QuickStep] = field(default_factory=list)
    placed: dict[SafeRelPath, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    conflicts: list[str] = field(default_factory=list)
    # The folders that are moved whole, and by each folder in one of them the parts of that.
    trees: dict[str, _Parts] = field(default_factory=dict)
    parts: dict[str, _Parts] = field(default_factory=dict)
    _made: set[str] = field(default_factory=set)
    _displaced: int = 0

    def run(self) -> None:
        job = self.job
        self._make_all(job.displaced)
        self._make(job.folder)
        kept_version = self._move_version_away()
        self._clear_the_way()
        for path in sorted(job.obsolete):
            self._move_away(path)
        for old, new in self.layout.respelled:
            self.steps.append(Move(self._full(old), self._full(new)))
        self._drop_old_folders()
        folders = self._make_folders()
        self._move_files_in(folders)
        self._move_record_in()
        self._sync_touched()
        self._move_version_in(kept_version)

    def _move_version_away(self) -> str | None:
        """Where a version.ini that stays waits, or None when a new one comes."""
        waiting = None
        for place in self.layout.others.get(VERSION_INI, ()):
            if VERSION_INI in self.job.keep and place.now == VERSION_INI:
                waiting = self._next_displaced()
                self.steps.append(Move(self._full(place.now), waiting))
            else:
                self._move_away(place.now)
        self.steps.append(SyncFolder(self.job.folder))
        return waiting

    def _clear_the_way(self) -> None:
        for path in (*self.job.manifest.directories, *(file.path for file in self.job.files)):
            for place in self.layout.others.get(fold_path(path), ()):
                self._move_away(place.now)
        for file in self.job.files:
            folder = self.layout.folders.get(fold_path(file.path))
            if folder is not None:
                self._move_folder_away(folder)

    def _move_folder_away(self, folder: Place) -> None:
        within = {place.now for place in self.layout.within(folder)}
        self._move_away(folder.now, is_own=within.issubset(self.job.own))
        self.gone |= within

    def _move_away(self, path: str, *, is_own: bool | None = None) -> None:
        if path in self.gone:
            return
        self.gone.add(path)
        if path in self.job.own if is_own is None else is_own:
            self.steps.append(Move(self._full(path), self._next_displaced()))
            return
        refuge = f"{self.job.conflicts}/{path}"
        self._make_all(parent(refuge))
        self.steps.append(Move(self._full(path), refuge))
        self.conflicts.append(refuge)

    def _drop_old_folders(self) -> None:
        """Those of the last download that the new manifest lacks, if nothing else is in them."""
        if self.job.old_record is None:
            return
        wanted = set(map(fold_path, self.job.manifest.directories))
        for path in reversed(self.job.old_record.directories):
            place = self.layout.folders.get(fold_path(path))
            if place is not None and fold_path(path) not in wanted and place.now not in self.gone:
                self.steps.append(DropFolder(self._full(place.then)))

    def _make_folders(self) -> dict[str, str]:
        """The manifest's directories, each with its path on disk; new ones are there for good."""
        on_disk = {"": ""}
        changed = {parent(self.job.folder)}
        for path in self.job.manifest.directories:
            there = self.layout.folders.get(fold_path(path))
            if there is not None:
                on_disk[path] = there.then
                continue
            on_disk[path] = joined(on_disk[parent(path)], name_in(path))
            full_path = self._full(on_disk[path])
            if self._is_moved_whole(path):
                self.parts[path] += [MakeFolder(full_path), SyncFolder(parent(full_path))]
            else:
                self._make(full_path)
                changed.add(parent(full_path))
        # Or a power cut could leave a file that was moved in without the folder it is in.
        self.steps.extend(SyncFolder(folder) for folder in sorted(changed))
        return on_disk

    def _is_moved_whole(self, path: SafeRelPath) -> bool:
        """Whether a new folder comes as it was staged, by itself or in another."""
        above = self.parts.get(parent(path))
        if above is None and path not in self.job.whole:
            return False
        self.parts[path] = self.trees.setdefault(path, []) if above is None else above
        return True

    def _move_files_in(self, folders: Mapping[str, str]) -> None:
        for file in self.job.files:
            place = self._full(joined(folders[parent(file.path)], name_in(file.path)))
            self.placed[file.path] = place
            if file.path != VERSION_INI:
                move = Move(f"{self.job.staged}/{file.path}", place)
                self.parts.get(parent(file.path), self.steps).append(move)
        for path, parts in self.trees.items():
            folders_made = [part.path for part in parts if isinstance(part, MakeFolder)]
            parts += map(SyncFolder, folders_made)
            old, new = f"{self.job.staged}/{path}", folders_made[0]
            self.steps.append(MoveFolder(old, new, tuple(parts)))

    def _move_record_in(self) -> None:
        record = record_path(self.job.folder)
        if self.job.has_old_record:
            self.steps.append(Move(record, self._next_displaced()))
        self._make_all(parent(record))
        self.steps.append(Move(self.job.staged_record, record))

    def _sync_touched(self) -> None:
        dropped = {step.path for step in self.steps if isinstance(step, DropFolder)}
        touched = {
            parent(step.path if isinstance(step, MakeFolder) else step.new)
            for step in self.steps
            if isinstance(step, (Move, MoveFolder, MakeFolder))
        }
        self.steps.extend(SyncFolder(path) for path in sorted(touched - dropped))

    def _move_version_in(self, waiting: str | None) -> None:
        if waiting is None:
            self.steps.append(Move(f"{self.job.staged}/{VERSION_INI}", self.placed[VERSION_INI]))
        else:
            self.steps.append(Move(waiting, self._full(VERSION_INI)))
        self.steps.append(SyncFolder(self.job.folder))

    def _make(self, path: str) -> None:
        if path not in self._made:
            self._made.add(path)
            self.steps.append(MakeFolder(path))

    def _make_all(self, path: str) -> None:
        """Folders of ours on the way to `path`, and their names, for good.

        Or a power cut could leave a file that was moved there without the folder it is in.
        """
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folder not in self._made:
                self._make(folder)
                self.steps.append(SyncFolder(parent(folder)))

    def _full(self, path: str) -> str:
        return f"{self.job.folder}/{path}"

    def _next_displaced(self) -> str:
        self._displaced += 1
        return f"{self.job.displaced}/{self._displaced}"
