from collections.abc import Iterator
from pathlib import Path

import pytest

from lanspread_peer.storage.index import Index
from support.player import Player
from support.storage_folders import make_game_dir, open_descriptors


@pytest.fixture
def player(tmp_path: Path) -> Iterator[Player]:
    before = open_descriptors()
    (tmp_path / "source-state").mkdir()
    player = Player(
        make_game_dir(tmp_path / "games", {}),
        Index(tmp_path),
        make_game_dir(tmp_path / "source", {}),
        Index(tmp_path / "source-state"),
    )
    yield player
    player.index.close()
    player.source_index.close()
    assert open_descriptors() <= before
