"""Copies within one disk that need not go through this process.

Linux copies in the kernel, and on btrfs, XFS and their like only shares the blocks, so that a copy
takes neither time nor room. macOS clones whole files only, and Windows only on ReFS, so there, and
wherever the system refuses, the caller copies by itself.
"""

import os
import sys

if sys.platform == "linux":

    def clone_range(
        source: int, source_offset: int, target: int, target_offset: int, length: int
    ) -> bool:
        """Copy between two descriptors; whether all of it was copied, else some of it may be."""
        copied = 0
        try:
            while copied < length:
                count = os.copy_file_range(
                    source, target, length - copied, source_offset + copied, target_offset + copied
                )
                if not count:
                    return False
                copied += count
        except OSError:
            return False
        return True

else:

    def clone_range(
        source: int, source_offset: int, target: int, target_offset: int, length: int
    ) -> bool:
        """Nothing is copied."""
        del source, source_offset, target, target_offset, length
        return False
