"""Rate limits typed at the command line, and kept by a sidecar that was killed."""

import time
from pathlib import Path
from random import Random

from lanspread.peer.v1.types_pb2 import DOWNLOAD_STATE_FINISHED
from lanspread_peer.core.byte_rate import BURST_S
from lanspread_peer.model.limits import MIB
from support.processes import SidecarProcess

GAME_MIB = 6
RATE = 4 * MIB


def test_a_limit_holds_after_a_kill_until_it_is_taken_away(tmp_path: Path) -> None:
    source = SidecarProcess(tmp_path / "source")
    game = source.games / "aoe2"
    game.mkdir()
    (game / "aoe2.eti").write_bytes(Random(1).randbytes(GAME_MIB * MIB))
    (game / "version.ini").write_text("20240229")
    with source:
        source.ask("settings", "set", "upload-limit", "4MiB/s")
        source.kill()
        source.start()
        assert int(source.ask("settings")["upload_bytes_per_second"]) == RATE
        peers = [source.address]
        with SidecarProcess(tmp_path / "one", peers=peers) as one:
            assert seconds_to_download(one) >= GAME_MIB * MIB / RATE - BURST_S
        assert "unlimited" in source.cli("settings", "reset", "upload-limit").stdout
        assert "upload_bytes_per_second" not in source.ask("settings")


def seconds_to_download(sidecar: SidecarProcess) -> float:
    """How long the whole game takes."""
    sidecar.wait_for_sources("aoe2", 1)
    began = time.monotonic()
    with sidecar.client() as client:
        last = list(client.download("aoe2"))[-1]
    assert last.state == DOWNLOAD_STATE_FINISHED
    return time.monotonic() - began
