from collections.abc import Iterator
from pathlib import Path

import pytest

from support.player import Player, open_player


@pytest.fixture
def player(tmp_path: Path) -> Iterator[Player]:
    with open_player(tmp_path) as player:
        yield player
