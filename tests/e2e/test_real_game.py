"""The data of real free games goes from two sidecars to a third, byte for byte."""

import shutil
import subprocess
from pathlib import Path

import pytest

from support.game_trees import MIB, differences
from support.processes import SidecarProcess

PACKAGES = ("freedoom", "openarena-data")
_HAS_ARCHIVE = shutil.which("apt-get") is not None and shutil.which("dpkg-deb") is not None


def unpack(package: str, folder: Path) -> None:
    """The data files of a package of the system's archive, as a game folder."""
    downloads = folder.parent / f"{package}.download"
    downloads.mkdir()
    fetch = ["apt-get", "download", "-qq", package]
    if subprocess.run(fetch, cwd=downloads, check=False, capture_output=True).returncode:
        subprocess.run(["apt-get", "update", "-qq"], check=True, capture_output=True)
        subprocess.run(fetch, cwd=downloads, check=True, capture_output=True)
    [archive] = downloads.glob("*.deb")
    unpacked = downloads / "unpacked"
    subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True)
    games = unpacked / "usr" / "share" / "games"
    shutil.copytree(games, folder, ignore=_links, dirs_exist_ok=True)
    shutil.rmtree(downloads)


def _links(folder: str, names: list[str]) -> set[str]:
    # Links are never shared, so they are no part of the game that is compared.
    return {name for name in names if (Path(folder) / name).is_symlink()}


@pytest.mark.real_data
@pytest.mark.timeout(600)
@pytest.mark.skipif(not _HAS_ARCHIVE, reason="needs a Debian system's package archive")
@pytest.mark.parametrize("package", PACKAGES)
def test_a_real_game_comes_whole_from_two_sources(tmp_path: Path, package: str) -> None:
    with (
        SidecarProcess(tmp_path / "alice") as alice,
        SidecarProcess(tmp_path / "bob") as bob,
    ):
        game = alice.games / package
        unpack(package, tmp_path / package)
        (tmp_path / package / "version.ini").write_text("20240229\n")
        shutil.copytree(tmp_path / package, bob.games / package)
        (tmp_path / package).rename(game)
        with SidecarProcess(tmp_path / "carol", peers=[alice.address, bob.address]) as carol:
            carol.wait_for_sources(package, 2)
            got = carol.cli("get", package)
            assert got.returncode == 0, got.stderr
            print(f"\n{got.stdout.strip()}")
            assert differences(game, carol.games / package) == []
            [download] = carol.ask("downloads")["downloads"]
        total = int(download["total_bytes"])
        given = {s["name"]: int(s["size_bytes"]) / total for s in download["sources"]}
        print(f"{package}: {total / MIB:.0f} MiB, shares {given}")
        assert given.keys() == {"alice", "bob"}
        assert min(given.values()) >= 0.25
