"""What a disk may hold after a power cut: all that was synced, and of the rest whatever it likes.

Of what was not synced, a write may be missing or torn, and a change of a name missing, each on its
own. Only what any file system keeps to is kept to: a rename is there wholly or not at all, it is
synced with the folder that has the new name, and changes of one and the same name keep their order.
"""

import copy
import os
from pathlib import Path
from random import Random

from support.disk_log import (
    Create,
    DiskLog,
    NameChange,
    Node,
    Operation,
    Remove,
    Rename,
    Resize,
    Sync,
    Write,
)

# Disks write sectors whole.
_SECTOR = 512
_ROOT = 0


class AllKept(Random):
    """The chance that the disk has everything."""

    def random(self) -> float:
        return 0.0

    def getrandbits(self, _bits: int) -> int:
        return 0


def power_cut(log: DiskLog, length: int, chance: Random, target: Path) -> None:
    """Make at `target` what may be left when the power fails after `length` operations."""
    done = log.operations[:length]
    kept = _kept_names(done, chance)
    nodes = copy.deepcopy(log.nodes)
    contents: dict[int, bytearray] = {}
    synced = _last_syncs(done)
    for place, operation in enumerate(done):
        match operation:
            case Create() | Rename() | Remove() if place in kept:
                _change_name(nodes, operation)
            case Create(number=number, is_folder=is_folder):
                nodes.setdefault(number, Node(0, {} if is_folder else None))
            case Write() | Resize():
                number = operation.number
                content = contents.setdefault(number, bytearray(nodes[number].content))
                if place < synced.get(number, -1):
                    _write(content, operation, chance, is_safe=True)
                else:
                    _write(content, operation, chance, is_safe=False)
                    nodes[number].mtime_ns = chance.randrange(10**18)
            case Sync(number, mtime_ns):
                nodes[number].mtime_ns = mtime_ns
    for number, content in contents.items():
        nodes[number].content = bytes(content)
    _build(nodes, _ROOT, target)


def _last_syncs(done: list[Operation]) -> dict[int, int]:
    return {each.number: place for place, each in enumerate(done) if isinstance(each, Sync)}


def _kept_names(done: list[Operation], chance: Random) -> set[int]:
    synced = _last_syncs(done)
    kept: set[int] = set()
    needed: set[tuple[int, str]] = set()
    for place in reversed(range(len(done))):
        change = done[place]
        if not isinstance(change, NameChange):
            continue
        holder = change.new_folder if isinstance(change, Rename) else change.folder
        if place < synced.get(holder, -1) or needed & _names_in(change):
            kept.add(place)
            needed |= _names_in(change)
    lost: set[tuple[int, str]] = set()
    share = chance.choice([1, 0.8, 0.5, 0.2, 0])
    for place, change in enumerate(done):
        if not isinstance(change, NameChange) or place in kept:
            continue
        if lost & _names_in(change) or chance.random() >= share:
            lost |= _names_in(change)
        else:
            kept.add(place)
    return kept


def _names_in(change: NameChange) -> set[tuple[int, str]]:
    names = {(change.folder, change.name)}
    if isinstance(change, Rename):
        names.add((change.new_folder, change.new_name))
    return names


def _change_name(nodes: dict[int, Node], change: NameChange) -> None:
    names = nodes[change.folder].names
    assert names is not None
    match change:
        case Create(name=name, number=number, is_folder=is_folder):
            nodes.setdefault(number, Node(0, {} if is_folder else None))
            names[name] = number
        case Remove(name=name):
            # A folder with something in it cannot have been removed.
            if name in names and not nodes[names[name]].names:
                del names[name]
        case Rename(name=name, number=number):
            new_names = nodes[change.new_folder].names
            assert new_names is not None
            if names.get(name) == number:
                del names[name]
            new_names[change.new_name] = number


def _write(content: bytearray, operation: Write | Resize, chance: Random, *, is_safe: bool) -> None:
    fate = "written" if is_safe else chance.choice(["written", "torn", "missing"])
    if fate == "missing":
        return
    if isinstance(operation, Resize):
        content.extend(bytes(max(0, operation.size - len(content))))
        del content[operation.size :]
        return
    data = operation.data
    if fate == "torn":
        data = data[: chance.randrange(len(data) // _SECTOR + 1) * _SECTOR]
    end = operation.offset + len(data)
    content.extend(bytes(max(0, end - len(content))))
    content[operation.offset : end] = data


def _build(nodes: dict[int, Node], number: int, path: Path) -> None:
    node = nodes[number]
    if node.target:
        path.symlink_to(node.target)
    elif node.names is not None:
        path.mkdir()
        for name, inner in node.names.items():
            _build(nodes, inner, path / name)
        return
    else:
        path.write_bytes(node.content)
    os.utime(path, ns=(node.mtime_ns, node.mtime_ns), follow_symlinks=False)
