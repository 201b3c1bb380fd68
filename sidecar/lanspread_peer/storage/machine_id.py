"""The id that the system gave this machine; a cloned disk that was set up properly has another.

And that of its running system, which containers on it share and a restart changes.
"""

import subprocess
import sys
from pathlib import Path

_LINUX_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_IOREG_TIMEOUT_S = 5.0
# Room for a UUID with dashes and for a marker, such as systemd's "uninitialized".
_MAX_ID_CHARACTERS = 64
_MIN_ID_CHARACTERS = 16


def read_machine_id() -> str:
    """The id, or an empty text where the system tells none, as in most containers."""
    try:
        text = _read().strip().lower()
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return text if _MIN_ID_CHARACTERS <= len(text) <= _MAX_ID_CHARACTERS else ""


def read_boot_id() -> str:
    """The id of the running system, or an empty text where it has none: that is, but on Linux."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


if sys.platform == "win32":
    import winreg

    def _read() -> str:
        access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        path = r"SOFTWARE\Microsoft\Cryptography"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path, 0, access) as key:
            return str(winreg.QueryValueEx(key, "MachineGuid")[0])

elif sys.platform == "darwin":

    def _read() -> str:
        command = ["/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice"]
        answer = subprocess.run(  # noqa: S603 - a fixed command of the system
            command, capture_output=True, check=True, text=True, timeout=_IOREG_TIMEOUT_S
        )
        lines = (line for line in answer.stdout.splitlines() if "IOPlatformUUID" in line)
        return next(lines, "").partition("=")[2].strip().strip('"')

else:

    def _read() -> str:
        files = (Path(name) for name in _LINUX_FILES)
        return next((file.read_text("ascii") for file in files if file.is_file()), "")
