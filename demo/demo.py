"""The main job, shown with real sidecars on this machine.

Alice and Bob hold a game. Carol's sidecar finds both by mDNS, downloads the game from the two at
once, and the folders are compared byte by byte. Nothing leaves the loopback interface.

`DEMO_GAME=FOLDER` downloads a copy of that folder instead of a game made on the spot, and
`DEMO_MB=N` changes the size of the latter.
"""

import contextlib
import filecmp
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MIB = 2**20
DEFAULT_MB = 300
START_TIMEOUT_S = 20.0
FOUND_TIMEOUT_S = 30.0
_BIN = Path(sys.executable).parent


def main() -> int:
    """Run the demo; 0 when the game came through whole from both sources."""
    with (
        tempfile.TemporaryDirectory(prefix="lanspread-demo-") as folder,
        contextlib.ExitStack() as stack,
    ):
        root = Path(folder)
        game = prepare_game(root)
        held = tree_bytes(game) / MIB
        say(f"Alice and Bob hold {game.name!r}, {held:.0f} MiB; Carol has nothing.")
        sidecars = [stack.enter_context(Sidecar(root, name)) for name in ("alice", "bob", "carol")]
        carol = sidecars[-1]
        say("Three sidecars run. Carol looks for the game:")
        wait_for_two_sources(carol, game.name)
        carol.show("peers")
        carol.show("games")
        started = time.monotonic()
        if carol.show("get", game.name) != 0:
            return fail("the download did not finish")
        seconds = time.monotonic() - started
        return report(carol, game, seconds)


def report(carol: "Sidecar", game: Path, seconds: float) -> int:
    """Compare the folders and show what each source gave."""
    copy = carol.games / game.name
    if differences := tree_differences(game, copy):
        return fail(f"the folders differ: {differences[:5]}")
    say("Carol's folder is equal to Alice's, byte by byte.")
    [download] = carol.ask("downloads")["downloads"]
    size = int(download["total_bytes"])
    for source in download["sources"]:
        say(f"  {source['name']:>6} gave {int(source['size_bytes']) / size:6.1%}")
    speed = size / MIB / seconds
    say(f"{size / MIB:.0f} MiB in {seconds:.1f} s: {speed:.1f} MiB/s, encrypted and verified.")
    shares = [int(source["size_bytes"]) / size for source in download["sources"]]
    if len(shares) != 2 or min(shares) < 0.1:
        return fail("the download did not use both sources")
    return 0


def prepare_game(root: Path) -> Path:
    """A game in Alice's and in Bob's folder; the path of Alice's."""
    alice = root / "alice" / "games"
    wanted = os.environ.get("DEMO_GAME")
    game = alice / (Path(wanted).name if wanted else "doom-of-the-lan")
    if wanted:
        shutil.copytree(wanted, game, ignore=shutil.ignore_patterns("local", ".*"))
    else:
        make_game(game, int(os.environ.get("DEMO_MB", DEFAULT_MB)))
    version = game / "version.ini"
    if not version.exists():
        version.write_text("20240229\n", "utf-8")
    shutil.copytree(game, root / "bob" / "games" / game.name)
    return game


def make_game(game: Path, megabytes: int) -> None:
    """A large archive, some middling files, and many small ones."""
    source = random.Random(20240229)
    (game / "music").mkdir(parents=True)
    (game / "maps").mkdir()
    archive_mb = max(1, megabytes - 20)
    with (game / "doom-of-the-lan.eti").open("wb") as archive:
        for _ in range(archive_mb):
            archive.write(source.randbytes(MIB))
    for track in range(4):
        (game / "music" / f"track{track}.ogg").write_bytes(source.randbytes(4 * MIB))
    for number in range(200):
        (game / "maps" / f"map{number:03}.dat").write_bytes(source.randbytes(20 * 1024))
    about = {"name": "Doom of the LAN", "release_year": 2024, "genre": "shooter", "max_players": 16}
    (game / "game.json").write_text(json.dumps(about), "utf-8")


class Sidecar:
    """One real sidecar process and the command line that talks to it."""

    def __init__(self, root: Path, name: str) -> None:
        self.games = root / name / "games"
        self.games.mkdir(parents=True, exist_ok=True)
        self._state = root / name / "state"
        self._log = (root / f"{name}.log").open("wb")
        self._process = subprocess.Popen(
            [
                *(_BIN / "lanspread-peer", "--log-level", "warning", "serve"),
                *("--game-dir", self.games, "--state-dir", self._state),
                *("--name", name, "--bind", "127.0.0.1", "--port", "0"),
            ],
            stdin=subprocess.DEVNULL,
            stderr=self._log,
        )

    def __enter__(self) -> "Sidecar":
        for _ in until(START_TIMEOUT_S, "the sidecar does not start"):
            if self._process.poll() is not None:
                raise RuntimeError(f"a sidecar ended at once, with {self._process.returncode}")
            health: list[str | Path] = [_BIN / "lanspread-peer", "healthcheck"]
            health += ["--state-dir", self._state]
            if subprocess.run(health, check=False).returncode == 0:
                break
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        self._log.close()

    def show(self, *command: str) -> int:
        """Run a command of the CLI for all to see; its exit code."""
        print(f"\n$ lanspread {' '.join(command)}", flush=True)
        return subprocess.run([*self._cli(), *command], check=False).returncode

    def ask(self, *command: str) -> Any:
        """What a command of the CLI answers."""
        answer = subprocess.run(
            [*self._cli(), *command, "--json"], check=True, stdout=subprocess.PIPE
        )
        return json.loads(answer.stdout)

    def _cli(self) -> list[str | Path]:
        return [_BIN / "lanspread", "--state-dir", self._state]


def wait_for_two_sources(carol: Sidecar, game: str) -> None:
    """Wait until Carol sees the game at both peers."""
    for _ in until(FOUND_TIMEOUT_S, "the game was not found"):
        titles = carol.ask("games")["games"]
        if any(title["id"] == game and title.get("peer_count") == 2 for title in titles):
            return


def until(timeout_s: float, complaint: str) -> Iterator[None]:
    """Yields now and then until the time is over, then complains."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        yield
        time.sleep(0.2)
    raise TimeoutError(complaint)


def tree_bytes(folder: Path) -> int:
    """What the files of a folder add up to."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def tree_differences(left: Path, right: Path) -> list[str]:
    """The relative paths that are not the same in both folders."""
    names = {p.relative_to(left) for p in left.rglob("*")} | {
        p.relative_to(right) for p in right.rglob("*")
    }
    return sorted(str(name) for name in names if not is_equal(left / name, right / name))


def is_equal(left: Path, right: Path) -> bool:
    """Whether both are folders, or files with the same bytes."""
    if left.is_dir() or right.is_dir():
        return left.is_dir() and right.is_dir()
    return left.is_file() and right.is_file() and filecmp.cmp(left, right, shallow=False)


def say(text: str) -> None:
    """A line for whoever watches."""
    print(text, flush=True)


def fail(text: str) -> int:
    """A last line, and the exit code that goes with it."""
    print(f"FAILED: {text}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
