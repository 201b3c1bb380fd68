"""The configuration as bytes that anybody may have written: files, and texts of flags."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from lanspread_peer.control.config_keys import KEYS
from lanspread_peer.control.config_sources import read_config
from lanspread_peer.model.errors import InvalidField

CONFIGS = (
    b'game_dir = "/games"\nname = "me"\nport = 26789\npeer = ["10.0.0.1:26789"]\nmdns = false\n',
    b'bind = "127.0.0.1"\nlisten = "127.0.0.1:0"\npatience_seconds = 1.5\nstate_dir = "/state"\n',
    b"port = 0x1F\npatience_seconds = inf\nname = 1979-05-27T07:32:00Z\n",
)
TEXTS = (b"12", b"-0.5e3", b"true", b"a:1, [::1]:2", b"unix:/x", b"debug")


def config_reader(folder: Path) -> Callable[[bytes], object]:
    """Reads bytes as the config file of a sidecar."""
    file = folder / "config.toml"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        read_config({"game_dir": "/games"}, config_file=str(file), environment={}).settings()

    return read


def read_texts(data: bytes) -> None:
    """Read bytes as the value of each key in turn."""
    for key in KEYS:
        with contextlib.suppress(InvalidField):
            key.of_text(data.decode("utf-8", "surrogateescape"))
