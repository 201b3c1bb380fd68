"""The benchmarks run: one small row, with real sidecars."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_row_is_measured_and_printed_as_one_json_object(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "spawn", "--json", "--quick", "--rounds", "1"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["row"] == "spawn"
    assert document["figure"] > 0
    assert (document["target"], document["unit"]) == (1.0, "s")
    assert isinstance(document["ok"], bool)
    assert [len(run["values"]) for run in document["runs"]] == [1, 1]
    assert document["missing"] == {}
    assert set(document["machine"]) == {"cpu", "cores", "kernel", "python"}
    assert document["command"] == "python -m bench spawn --json --quick --rounds 1"
