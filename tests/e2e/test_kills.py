"""kill -9 at any moment: the game is the old one or the new one, and little comes twice.

Real sidecars: carol downloaded an old version once, and downloads the new one, of which a part is
in the old one already. She is killed again and again, at random moments or at a step of the publish
or of its recovery, and goes on by herself each time.
"""

import shutil
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random, SystemRandom

import pytest

from lanspread.peer.v1.types_pb2 import DOWNLOAD_STATE_FINISHED
from lanspread_client import LanspreadError
from lanspread_peer.model.limits import MAX_RUN_BYTES
from lanspread_peer.storage.game_dir import GameDir
from lanspread_peer.storage.index import Index
from lanspread_peer.storage.publish_steps import PublishStep
from lanspread_peer.storage.recovery import recover
from lanspread_peer.wire.manifest_codec import encode_manifest
from support.doomed_sidecar import DoomedSidecar
from support.game_trees import MIB, differences, make_game, shared_files
from support.long_form import long_form
from support.manifests import game_manifest
from support.ports import free_port
from support.processes import SidecarProcess, wait_for

MEGABYTES = 36
# What may have been asked for and not be written yet when the plug is pulled: four requests at the
# one source. Of what was written but not recorded, the bytes are on the disk still, so they are
# hashed again and not fetched.
LOST_PER_KILL_BYTES = 4 * MAX_RUN_BYTES
RANDOM_KILLS = long_form(short=18, long=300)
SOURCE_KILLS = long_form(short=2, long=20)
STEP_ROUNDS = long_form(short=1, long=3)
# The first time in the publish, then in the recovery, where that comes to the step at all.
MOST_DEATHS_AT_STEP = 2
# A step that only the recovery makes, and the one to die at for there to be a recovery.
ONLY_AFTER = {PublishStep.REMOVE_STAGING: PublishStep.REMOVE_JOURNAL}
# Beyond these, what is killed has nothing to do any more.
LONGEST_LIFE_S = 2.5
LONGEST_DOWNLOAD_S = 1.0


class Versions:
    """The two versions of one game, such that going from one to the other takes every step."""

    def __init__(self, folder: Path) -> None:
        self.old = make_game(folder / "old", megabytes=MEGABYTES, version="20240229")
        self.new = make_game(folder / "new", megabytes=MEGABYTES, version="20250101")
        # A third of the large file is as it was.
        with (self.new / "aoe2.eti").open("r+b") as new, (self.old / "aoe2.eti").open("rb") as old:
            new.write(old.read(MEGABYTES // 3 * MIB))
        self.common_bytes = MEGABYTES // 3 * MIB
        for game, name in ((self.old, "Spelled"), (self.new, "spelled")):
            (game / name).mkdir()
            (game / name / "same").write_text("same")
        (self.new / "fresh" / "deep").mkdir(parents=True)
        (self.new / "fresh" / "deep" / "file").write_text("only in the new one")
        (self.old / "gone").mkdir()
        (self.old / "gone" / "file").write_text("only in the old one")
        self._record = encode_manifest(game_manifest(shared_files(self.old)))
        # What a person put there since, where the new version has a file.
        (self.old / "mine").symlink_to("version.ini")
        (self.new / "mine").write_text("no link")

    def give_old(self, games: Path) -> None:
        """As if the old one had been downloaded there."""
        shutil.copytree(self.old, games / "aoe2", symlinks=True)
        record = games / ".lanspread" / "records" / "aoe2" / "manifest"
        record.parent.mkdir(parents=True)
        record.write_bytes(self._record)

    def require_whole(self, games: Path, scratch: Path, context: str) -> str:
        """What a start would make of the game folder as the kill left it: "old" or "new"."""
        copy = scratch / "copy"
        shutil.copytree(games, copy, symlinks=True)
        index = Index(scratch)
        try:
            recover(GameDir.open(str(copy)), index)
            for name, version in (("old", self.old), ("new", self.new)):
                if not differences(version, copy / "aoe2"):
                    return name
            wrong = [differences(version, copy / "aoe2") for version in (self.old, self.new)]
            raise AssertionError(f"neither the old nor the new game: {context}: {wrong}")
        finally:
            index.close()
            shutil.rmtree(copy)


class Carol:
    """The one who is killed; what came over the network is counted where it was sent."""

    def __init__(self, folder: Path, alice: SidecarProcess, versions: Versions) -> None:
        self._folder = folder
        self._alice = alice
        self._versions = versions
        self.deaths = 0
        self.sidecar = DoomedSidecar(folder, peers=[alice.address])
        versions.give_old(self.sidecar.games)
        self._sent_before = self._sent()

    def ask_for_new(self) -> None:
        """Ask for the new version; the answer may not come before the kill does."""
        self.sidecar.wait_for_sources("aoe2", 1)
        with self.sidecar.client() as client:
            [variant] = client.get_game("aoe2").game.variants
            try:
                client.download_game_files("aoe2", content_id=variant.content_id)
            except LanspreadError as error:
                if error.reason != "NO_ANSWER":
                    raise

    def kill_after(self, seconds: float, context: str) -> None:
        time.sleep(seconds)
        self.sidecar.kill()
        self.died(f"{context}, {seconds:.3f} s after the last start")

    def died(self, context: str) -> str:
        """It is dead now, and what lies there is whole: "old" or "new"."""
        self.deaths += 1
        return self._versions.require_whole(self.sidecar.games, self._folder, context)

    def finish(self, context: str) -> None:
        """It goes on by itself, and the new game is there in the end; little came twice."""
        self.sidecar.wait_serving()
        wait_for("the download to end", self.sidecar.has_no_work, 60)
        assert differences(self._versions.new, self.sidecar.games / "aoe2") == [], context
        assert _left_over(self.sidecar.games) == [], context
        needed = MEGABYTES * MIB - self._versions.common_bytes
        allowed = needed + self.deaths * LOST_PER_KILL_BYTES + MIB
        assert self._sent() - self._sent_before <= allowed, context
        assert self.sidecar.end() == 0

    def _sent(self) -> int:
        return self._alice.status().counters.sent_bytes


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    return Versions(tmp_path_factory.mktemp("versions"))


@pytest.fixture
def alice(tmp_path: Path, versions: Versions) -> Iterator[SidecarProcess]:
    sidecar = SidecarProcess(tmp_path / "alice")
    shutil.copytree(versions.new, sidecar.games / "aoe2")
    with sidecar:
        yield sidecar


@pytest.mark.scales
@pytest.mark.timeout(3600)
def test_a_downloader_killed_at_random_moments_ends_with_the_right_game(
    tmp_path: Path, alice: SidecarProcess, versions: Versions
) -> None:
    seed = fresh_seed()
    rng = Random(seed)
    kills = 0
    while kills < RANDOM_KILLS:
        folder = tmp_path / f"carol{kills}"
        carol = Carol(folder, alice, versions)
        with cleaned_up(carol.sidecar):
            carol.sidecar.start()
            carol.ask_for_new()
            for _ in range(rng.randint(1, 4)):
                kills += 1
                carol.kill_after(rng.uniform(0, LONGEST_LIFE_S), f"seed {seed}, kill {kills}")
                carol.sidecar.launch()
            carol.finish(f"seed {seed}, kill {kills}")
        shutil.rmtree(folder)


@pytest.mark.scales
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("step", PublishStep)
def test_a_downloader_killed_at_a_step_of_the_publish_ends_with_the_right_game(
    tmp_path: Path, alice: SidecarProcess, versions: Versions, step: PublishStep
) -> None:
    for nth in range(1, STEP_ROUNDS + 1):
        context = f"{step}, for the {nth}. time"
        folder = tmp_path / f"carol{nth}"
        carol = Carol(folder, alice, versions)
        with cleaned_up(carol.sidecar):
            carol.sidecar.doom(ONLY_AFTER.get(step, step), nth)
            carol.sidecar.start()
            carol.ask_for_new()
            died = carol.sidecar.meets_its_doom()
            # Each step is made once at least.
            assert died or nth > 1
            while died:
                carol.died(context)
                carol.sidecar.doom(step, nth)
                if carol.deaths == MOST_DEATHS_AT_STEP:
                    carol.sidecar.spare()
                carol.sidecar.launch()
                died = carol.sidecar.meets_its_doom()
            carol.finish(context)
        shutil.rmtree(folder)


@pytest.mark.scales
@pytest.mark.timeout(3600)
def test_a_source_killed_at_random_moments_costs_only_time(
    tmp_path: Path, versions: Versions
) -> None:
    seed = fresh_seed()
    rng = Random(seed)
    alice = SidecarProcess(tmp_path / "alice", port=free_port())
    shutil.copytree(versions.new, alice.games / "aoe2")
    with alice:
        address = alice.address
        for kill in range(SOURCE_KILLS):
            carol = SidecarProcess(tmp_path / f"carol{kill}", peers=[address])
            with carol:
                carol.wait_for_sources("aoe2", 1)
                with carol.client() as client:
                    download = client.download_game_files("aoe2")
                    time.sleep(rng.uniform(0, LONGEST_DOWNLOAD_S))
                    alice.kill()
                    alice.start()
                    [last] = deque(client.follow_download(download.id), maxlen=1)
                context = f"seed {seed}, kill {kill}"
                assert last.state == DOWNLOAD_STATE_FINISHED, context
                assert differences(versions.new, carol.games / "aoe2") == [], context
            shutil.rmtree(tmp_path / f"carol{kill}")


@contextmanager
def cleaned_up(sidecar: DoomedSidecar) -> Iterator[None]:
    """A test that fails shows the log, and leaves no process; one that is over has ended it."""
    try:
        yield
    except BaseException as error:
        sidecar.__exit__(type(error), error, None)
        raise
    sidecar.__exit__(None, None, None)


def fresh_seed() -> int:
    """Other moments in each run; a failure tells the seed."""
    return SystemRandom().getrandbits(32)


def _left_over(games: Path) -> list[str]:
    """What a download that is over must not leave in the sidecar's own folder."""
    own = games / ".lanspread"
    places = ("staging", "journal", "displaced", "scratch")
    return sorted(
        str(path.relative_to(own))
        for place in places
        if (own / place).exists()
        for path in (own / place).iterdir()
    )
