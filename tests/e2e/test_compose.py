"""compose.yaml says what it should, in words that Compose knows."""

import subprocess
from pathlib import Path

import pytest

from support.processes import BIN

COMPOSE = Path(__file__).parents[2] / "compose.yaml"
VALIDATOR = "check-jsonschema@0.39.0"


@pytest.mark.slow
@pytest.mark.package_index
@pytest.mark.timeout(300)
def test_it_fits_the_schema_of_compose() -> None:
    done = subprocess.run(
        [BIN / "uvx", VALIDATOR, "--builtin-schema", "vendor.compose-spec", COMPOSE],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
