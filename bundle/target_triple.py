"""The name by which compilers, and so Tauri, call the machine that a bundle is made for.

PyInstaller makes a program for the machine that it runs on, so only hosts are named here.
"""

import platform
import sys

_CPUS = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_SYSTEMS = {
    "linux": "unknown-linux-gnu",
    "darwin": "apple-darwin",
    "win32": "pc-windows-msvc",
}


class UnknownTarget(Exception):
    """Nobody has said how this machine is called."""


def target_triple(system: str, machine: str, libc: str) -> str:
    """The triple, from `sys.platform` and what `platform` says; raises UnknownTarget."""
    cpu = _CPUS.get(machine.lower())
    rest = _SYSTEMS.get(system)
    if cpu is None or rest is None:
        raise UnknownTarget(f"no target triple is known for {system} on {machine}")
    # A program that is linked to glibc must not claim to run on the musl of another system.
    if system == "linux" and libc != "glibc":
        raise UnknownTarget(f"no target triple is known for Linux with {libc or 'another libc'}")
    return f"{cpu}-{rest}"


def host_triple() -> str:
    """That of this machine; raises UnknownTarget."""
    return target_triple(sys.platform, platform.machine(), platform.libc_ver()[0])
