"""The wheel: what is in it, and that it runs where nothing but it and its dependencies is."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from lanspread_peer import __version__
from support.processes import BIN, SidecarProcess

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "lanspread_peer": ROOT / "sidecar" / "lanspread_peer",
    "lanspread_client": ROOT / "clients" / "python" / "lanspread_client",
    "lanspread": ROOT / "proto" / "python" / "lanspread",
}
SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"
EXE = ".exe" if sys.platform == "win32" else ""
INSTALLS_S = 600

pytestmark = [pytest.mark.slow, pytest.mark.timeout(INSTALLS_S)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive and the wheel that was made of it."""
    folder = tmp_path_factory.mktemp("built")
    build(folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    [found] = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def constraints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked versions without their hashes, which pip would then ask of the wheel too."""
    locked = (ROOT / "requirements" / "runtime.txt").read_text("utf-8")
    versions = re.findall(r"^(\S+==.+?) \\$", locked, re.MULTILINE)
    assert len(versions) > 20
    path = tmp_path_factory.mktemp("locked") / "constraints.txt"
    path.write_text("\n".join(versions), "utf-8")
    return path


def build(folder: Path, *options: str) -> None:
    run([BIN / "uv", "build", "--no-build-isolation", *options, "--out-dir", folder, ROOT])


def run(command: list[str | Path], folder: Path | None = None) -> str:
    """What a program says; it must succeed."""
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "UV_PYTHON": sys.executable},
        timeout=INSTALLS_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_packages_with_their_types_and_nothing_else(wheel: Path) -> None:
    wanted = {
        f"{name}/{path.relative_to(folder).as_posix()}"
        for name, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == wanted
    assert held >= {
        "lanspread_peer/py.typed",
        "lanspread_client/py.typed",
        "lanspread/peer/v1/py.typed",
    }


def test_the_source_archive_holds_what_the_wheel_is_made_of(built: Path) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        inside = {
            Path(name).relative_to(f"lanspread_peer-{__version__}") for name in archive.getnames()
        }
    assert {each.parts[0] for each in inside} == {
        *("sidecar", "clients", "proto"),
        *("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "PKG-INFO", ".gitignore"),
    }
    assert Path("proto/lanspread/peer/v1/peer_service.proto") in inside


def test_the_wheel_is_the_same_bytes_however_often_it_is_built(wheel: Path, tmp_path: Path) -> None:
    build(tmp_path, "--wheel")
    [straight] = tmp_path.glob("*.whl")
    assert straight.read_bytes() == wheel.read_bytes()


@pytest.mark.package_index
def test_a_fresh_environment_with_the_locked_versions_serves(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    python = environment / SCRIPTS / f"python{EXE}"
    run([sys.executable, "-m", "venv", "--without-pip", environment])
    install: list[str | Path] = [BIN / "uv", "pip", "install", "--python", python]
    run([*install, "--require-hashes", "-r", ROOT / "requirements" / "runtime.txt"])
    run([*install, "--no-index", "--no-deps", wheel])
    where = run([python, "-c", "import lanspread_peer; print(lanspread_peer.__file__)"], tmp_path)
    assert Path(where).is_relative_to(environment)
    program = python.with_name(f"lanspread-peer{EXE}")
    assert run([program, "--version"]).split()[-1] == __version__
    with SidecarProcess(tmp_path / "alice", program=program) as alice:
        told = run([python.with_name(f"lanspread{EXE}"), "--state-dir", alice.state, "status"])
        assert alice.status().instance_id in told


@pytest.mark.package_index
def test_uvx_runs_the_wheel(wheel: Path, constraints: Path) -> None:
    held: list[str | Path] = ["--isolated", "--constraints", constraints]
    told = run([BIN / "uvx", *held, "--from", wheel, "lanspread-peer", "--version"])
    assert told.split()[-1] == __version__


@pytest.mark.package_index
def test_pipx_runs_the_wheel(
    wheel: Path, constraints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPX_HOME", str(tmp_path))
    pipx: list[str | Path] = [BIN / "uvx", "pipx@1.18.4", "run"]
    held = ["--pip-args", f"--constraint {constraints}"]
    told = run([*pipx, *held, "--spec", wheel, "lanspread-peer", "--version"])
    assert told.split()[-1] == __version__
