"""Stamps fit an index, whatever the disk says."""

import os

import pytest

from lanspread_peer.storage.stamp import Stamp, is_same, stamp_of


def status(mtime_ns: int, inode: int = 1) -> os.stat_result:
    """A status with a time that not every disk can hold."""
    fields = (0o100644, inode, 1, 1, 0, 0, 5, 0, 0, 0)
    return os.stat_result(fields, {"st_mtime_ns": mtime_ns, "st_atime_ns": 0, "st_ctime_ns": 0})


@pytest.mark.parametrize("mtime_ns", [2**63, 2**70, -(2**63) - 1, -(2**70)])
def test_a_time_beyond_all_clocks_fits_64_bits(mtime_ns: int) -> None:
    assert abs(stamp_of(status(mtime_ns)).mtime_ns) == 2**63 - 1


def test_an_inode_beyond_63_bits_fits_too() -> None:
    assert stamp_of(status(7, inode=2**64 - 1)) == Stamp(5, 7, 2**63 - 1)


def test_an_inode_of_0_is_taken_for_any() -> None:
    assert is_same(Stamp(1, 2, 3), Stamp(1, 2, 0))
    assert not is_same(Stamp(1, 2, 3), Stamp(1, 2, 4))
