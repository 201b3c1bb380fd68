"""Stamps: size, modification time and inode, which tell whether a file is still the one hashed."""

import os
from dataclasses import dataclass
from typing import Protocol

# What a signed 64-bit column holds. Some disks number their files beyond that, and a file may be
# dated to a year that no clock has shown.
INODE_MASK = 2**63 - 1
_MAX_TIME_NS = 2**63 - 1


class Stamped(Protocol):
    """Anything that remembers how a file looked; `inode` is 0 where it means nothing."""

    @property
    def size(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def inode(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Stamp:
    """How a file looked at one moment."""

    size: int
    mtime_ns: int
    inode: int


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file's status."""
    return Stamp(status.st_size, time_of(status), status.st_ino & INODE_MASK)


def time_of(status: os.stat_result) -> int:
    """The modification time in nanoseconds since 1970, within what an index holds."""
    return max(-_MAX_TIME_NS, min(status.st_mtime_ns, _MAX_TIME_NS))


def is_same(left: Stamped, right: Stamped) -> bool:
    """Whether both are the same unchanged file; an inode of 0 is taken for any."""
    if left.size != right.size or left.mtime_ns != right.mtime_ns:
        return False
    return left.inode == right.inode or not (left.inode and right.inode)
