"""One large file from one sidecar to another, against a bare loop and every other program."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.games import BIG_FILE, GAME, hash_of, link_game, make_big_game
from bench.options import MIB, Options
from bench.peers.bare_loop import BARE_LOOP
from bench.peers.contender import Contender, Fetch, Missing
from bench.peers.nginx import ARIA2, CURL
from bench.peers.rsync import RSYNC
from bench.peers.s2n import S2N
from bench.peers.stock_quic import STOCK_QUIC
from bench.peers.syncthing import SYNCTHING
from bench.peers.torrent import LIBTORRENT
from bench.result import Result, at_least
from bench.sidecar import Sidecar, downloader
from bench.statistic import Series

TARGET_RATIO = 0.8
TARGET_AHEAD = 1.0
OTHERS = (CURL, ARIA2, RSYNC, SYNCTHING, LIBTORRENT, STOCK_QUIC, S2N)
# The table of speed names these; the rest is shown beside them.
TO_BEAT = frozenset(each.name for each in (CURL, ARIA2, SYNCTHING, LIBTORRENT))


@contextlib.contextmanager
def _two_sidecars(file: Path, folder: Path) -> Iterator[Fetch]:
    seeder = Sidecar(folder / "seeder")
    link_game(file.parent, seeder.games)
    with seeder:
        seeder.wait_hashed()
        address = seeder.address

        def fetch(target: Path) -> float:
            with downloader(folder / "taker", [address]) as taker:
                seconds = taker.download()
                (taker.games / GAME / file.name).rename(target)
            return seconds

        yield fetch


LANSPREAD = Contender(
    "lanspread", "AES-256-GCM, keys by TLS 1.3", "BLAKE3 of every chunk, compared", _two_sidecars
)


def measure(options: Options) -> Result:
    """All contenders in turn, several times over."""
    size = options.size_bytes(1024, quick_mib=128)
    file = make_big_game(options.folder / "origin", size) / BIG_FILE
    speeds: dict[str, list[float]] = {}
    missing: dict[str, str] = {}
    contenders = [LANSPREAD, BARE_LOOP, *OTHERS]
    with contextlib.ExitStack() as stack:
        courses = []
        for contender in contenders:
            try:
                courses.append(Course(contender, file, options.folder, stack))
            except (Missing, OSError, RuntimeError) as error:
                missing[contender.name] = str(error)
        for _ in range(options.repeats(5)):
            for course in courses:
                speeds.setdefault(course.contender.name, []).append(course.run())
    runs = [
        Series(each.name, "MiB/s", tuple(speeds[each.name]), each.terms)
        for each in contenders
        if each.name in speeds
    ]
    return _judged(runs, missing, size)


class Course:
    """One contender, with all it needs running, and its part of the file."""

    def __init__(
        self, contender: Contender, file: Path, folder: Path, stack: contextlib.ExitStack
    ) -> None:
        self.contender = contender
        own = folder / contender.name.replace(" ", "-")
        own.mkdir()
        self._file = file if contender.part == 1 else _part_of(file, own, contender.part)
        self._hash = hash_of(self._file)
        self._target = own / "fetched"
        (own / "work").mkdir()
        self._fetch = stack.enter_context(contender.serve(self._file, own / "work"))

    def run(self) -> float:
        """MiB/s of one fetch, whose result is the right file."""
        seconds = self._fetch(self._target)
        if hash_of(self._target) != self._hash:
            raise RuntimeError(f"{self.contender.name} fetched another file")
        speed = self._file.stat().st_size / MIB / seconds
        self._target.unlink()
        return speed


def _part_of(file: Path, folder: Path, part: int) -> Path:
    smaller = folder / "served" / file.name
    smaller.parent.mkdir()
    with file.open("rb") as source:
        smaller.write_bytes(source.read(file.stat().st_size // part))
    return smaller


def _judged(runs: list[Series], missing: dict[str, str], size: int) -> Result:
    by_name = {each.name: each for each in runs}
    if LANSPREAD.name not in by_name or BARE_LOOP.name not in by_name:
        return Result("one_to_one", (), runs, missing)
    ours = by_name[LANSPREAD.name].median
    ahead_of = {each.name: ours / each.median for each in runs if each.name != LANSPREAD.name}
    beaten = [
        at_least(f"ahead of {name}", ratio, TARGET_AHEAD, "x")
        for name, ratio in ahead_of.items()
        if name in TO_BEAT
    ]
    ratio = at_least("lanspread / bare loop", ahead_of[BARE_LOOP.name], TARGET_RATIO, "x")
    return Result(
        "one_to_one", [ratio, *beaten], runs, missing, ahead_of, {"size_mib": size // MIB}
    )
