"""What the doctor finds out about the folders: there, writable, large enough, fit for games."""

from pathlib import Path

from lanspread_peer.control.doctor.finding import Finding, Verdict
from lanspread_peer.model.errors import GameDirUnusable, StorageError
from lanspread_peer.model.limits import MIB
from lanspread_peer.storage.game_dir import GameDir, file_system_of

# A game of middle size; with less, an evening ends soon.
SCARCE_BYTES = 20 * 1024 * MIB
# These hold no file of 4 GiB, as archives of games often are.
_SMALL_FILES = frozenset(["vfat", "msdos", "fat", "fat32"])
# Here writing waits for another machine, and locks and moves mean less.
_REMOTE = frozenset(["nfs", "nfs4", "cifs", "smbfs", "smb3", "webdav", "9p"])


def check_disk(game_dir: Path | None) -> list[Finding]:
    """The findings about the game folder, None when none is known."""
    names = ("game folder", "free space", "file system")
    if game_dir is None:
        told = "no game folder is configured, and no sidecar runs"
        return [Finding(name, Verdict.SKIPPED, told, "name it by --game-dir") for name in names]
    try:
        opened = GameDir.open(str(game_dir))
    except GameDirUnusable as error:
        advice = "make the folder, or let this user write in it, or name another one"
        skipped = [Finding(name, Verdict.SKIPPED, "no usable game folder") for name in names[1:]]
        return [Finding(names[0], Verdict.FAIL, error.message, advice), *skipped]
    return [
        Finding(names[0], Verdict.OK, f"{opened.root} can be written"),
        _free_space(opened),
        judge_file_system(file_system_of(opened.root)),
    ]


def judge_file_system(kind: str) -> Finding:
    """What a kind of file system means for games; empty when nobody knows it."""
    check = "file system"
    if not kind:
        return Finding(check, Verdict.SKIPPED, "the system does not tell the kind")
    if kind in _SMALL_FILES:
        told = f"{kind} holds no file of 4 GiB or more"
        return Finding(check, Verdict.WARN, told, "use a disk with exFAT, NTFS, ext4 or APFS")
    if kind in _REMOTE:
        told = f"{kind}: the game folder is on another machine"
        return Finding(check, Verdict.WARN, told, "use a disk of this machine")
    return Finding(check, Verdict.OK, f"{kind} holds files of any size")


def _free_space(game_dir: GameDir) -> Finding:
    check = "free space"
    try:
        free = game_dir.free_bytes()
    except StorageError as error:
        return Finding(check, Verdict.FAIL, error.message, "look at the disk")
    told = f"{free / (1024 * MIB):.1f} GiB are free for downloads"
    if free == 0:
        return Finding(check, Verdict.FAIL, told, "make room: no download can begin")
    if free < SCARCE_BYTES:
        return Finding(check, Verdict.WARN, told, "make room: many games need more")
    return Finding(check, Verdict.OK, told)
