"""Twenty thousand files of 4 KiB, against an rsync daemon."""

import contextlib
import shutil
from pathlib import Path

from bench.games import GAME, make_small_files
from bench.options import KIB, Options
from bench.peers.contender import Missing
from bench.peers.rsync import RSYNC, serve_tree
from bench.result import Result, at_least
from bench.sidecar import Sidecar, downloader
from bench.statistic import Series

TARGET_RATIO = 1.0
FILE_BYTES = 4 * KIB


def measure(options: Options) -> Result:
    """Whole folders by turns."""
    count = 2_000 if options.quick else 20_000
    seeder = Sidecar(options.folder / "seeder")
    game = make_small_files(seeder.games, count, FILE_BYTES)
    daemon = options.folder / "rsync"
    daemon.mkdir()
    ours: list[float] = []
    theirs: list[float] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(seeder)
        seeder.wait_hashed()
        address = seeder.address
        try:
            fetch = stack.enter_context(serve_tree(game, daemon))
        except Missing as error:
            return Result("small_files", (), missing={RSYNC.name: str(error)})
        for _ in range(options.repeats(5)):
            with downloader(options.folder / "taker", [address]) as taker:
                ours.append(count / taker.download())
                _require_files(taker.games / GAME, count)
            target = options.folder / "copied"
            target.mkdir()
            theirs.append(count / fetch(target))
            _require_files(target, count)
            shutil.rmtree(target)
    runs = [
        Series("lanspread", "files/s", tuple(ours), "encrypted; BLAKE3 of every chunk, compared"),
        Series(RSYNC.name, "files/s", tuple(theirs), RSYNC.terms),
    ]
    ratio = runs[0].median / runs[1].median
    return Result(
        "small_files",
        [at_least("lanspread / rsync daemon", ratio, TARGET_RATIO, "x")],
        runs,
        facts={"files": count, "bytes_each": FILE_BYTES},
    )


def _require_files(folder: Path, count: int) -> None:
    found = sum(path.stat().st_size == FILE_BYTES for path in folder.rglob("file*"))
    if found != count:
        raise RuntimeError(f"{found} of {count} files came")
