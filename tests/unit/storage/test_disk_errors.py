import errno
import os

import pytest

from lanspread_peer.model.errors import AccessDenied, DiskFull, StorageError
from lanspread_peer.storage.disk_errors import disk_errors, is_gone, is_missing


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EACCES, AccessDenied),
        (errno.EPERM, AccessDenied),
        (errno.EROFS, AccessDenied),
        (errno.EIO, StorageError),
        (errno.ENOENT, StorageError),
    ],
)
def test_each_error_of_the_system_becomes_the_one_of_the_tree(
    code: int, kind: type[StorageError]
) -> None:
    with pytest.raises(StorageError) as caught, disk_errors("read 'a'"):
        raise OSError(code, os.strerror(code))
    assert type(caught.value) is kind
    assert caught.value.metadata == {"doing": "read 'a'", "errno": errno.errorcode[code]}
    assert is_missing(caught.value) == (code == errno.ENOENT)
    assert is_gone(caught.value) == (code == errno.ENOENT)


def test_an_error_without_a_number_is_a_storage_error() -> None:
    with pytest.raises(StorageError, match="cannot read: OSError"), disk_errors("read"):
        raise OSError
