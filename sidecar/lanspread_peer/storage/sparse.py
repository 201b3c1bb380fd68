"""Files that have their size before they have their bytes, and take no room until then."""

import os
import sys

if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    _SET_SPARSE = 0x000900C4
    _FILE_BEGIN = 0

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _device_io_control = _kernel32.DeviceIoControl
    _device_io_control.restype = wintypes.BOOL
    _device_io_control.argtypes = [
        wintypes.HANDLE,
        wintypes.DWORD,
        wintypes.LPVOID,
        wintypes.DWORD,
        wintypes.LPVOID,
        wintypes.DWORD,
        wintypes.LPDWORD,
        wintypes.LPVOID,
    ]
    _set_file_pointer = _kernel32.SetFilePointerEx
    _set_file_pointer.restype = wintypes.BOOL
    _set_file_pointer.argtypes = [
        wintypes.HANDLE,
        wintypes.LARGE_INTEGER,
        wintypes.LPVOID,
        wintypes.DWORD,
    ]
    _set_end_of_file = _kernel32.SetEndOfFile
    _set_end_of_file.restype = wintypes.BOOL
    _set_end_of_file.argtypes = [wintypes.HANDLE]

    def set_size(descriptor: int, size: int) -> None:
        """Give a new, empty file its size in bytes; raises OSError."""
        handle = msvcrt.get_osfhandle(descriptor)
        returned = wintypes.DWORD()
        # A disk without sparse files says no, and fills the file with zeros instead.
        _device_io_control(handle, _SET_SPARSE, None, 0, None, 0, ctypes.byref(returned), None)
        # os.ftruncate writes the zeros by itself, which fills even a sparse file.
        if not _set_file_pointer(handle, size, None, _FILE_BEGIN) or not _set_end_of_file(handle):
            raise ctypes.WinError(ctypes.get_last_error())

else:

    def set_size(descriptor: int, size: int) -> None:
        """Give a new, empty file its size in bytes; raises OSError."""
        os.ftruncate(descriptor, size)
