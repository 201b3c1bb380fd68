"""Tauri looks the bundle up by the triple that rustc has for the host."""

import shutil
import subprocess

import pytest

from bundle.target_triple import UnknownTarget, host_triple, target_triple


@pytest.mark.parametrize(
    ("system", "machine", "libc", "triple"),
    [
        ("linux", "x86_64", "glibc", "x86_64-unknown-linux-gnu"),
        ("linux", "aarch64", "glibc", "aarch64-unknown-linux-gnu"),
        ("darwin", "arm64", "", "aarch64-apple-darwin"),
        ("darwin", "x86_64", "", "x86_64-apple-darwin"),
        ("win32", "AMD64", "", "x86_64-pc-windows-msvc"),
        ("win32", "ARM64", "", "aarch64-pc-windows-msvc"),
    ],
)
def test_the_triples_that_rustc_has(system: str, machine: str, libc: str, triple: str) -> None:
    assert target_triple(system, machine, libc) == triple


@pytest.mark.parametrize(
    ("system", "machine", "libc", "named"),
    [
        ("linux", "riscv64", "glibc", "riscv64"),
        ("freebsd14", "x86_64", "", "freebsd14"),
        ("linux", "x86_64", "", "another libc"),
    ],
)
def test_an_unknown_host_is_refused_by_name(
    system: str, machine: str, libc: str, named: str
) -> None:
    with pytest.raises(UnknownTarget, match=named):
        target_triple(system, machine, libc)


@pytest.mark.skipif(shutil.which("rustc") is None, reason="needs rustc")
def test_this_host_is_called_as_rustc_calls_it() -> None:
    told = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    assert f"host: {host_triple()}" in told.splitlines()
