"""The two ends of a torrent, run by the interpreter of a virtual environment with libtorrent.

`torrent_ends.py seed FILE TORRENT` writes the torrent and prints its port; `torrent_ends.py get
PORT TORRENT TARGET` prints how many seconds the file took. Needs nothing of this project.
"""

import sys
import time
from pathlib import Path

import libtorrent as lt

HOST = "127.0.0.1"
STEP_S = 0.01


def main(words: list[str]) -> None:
    match words:
        case ["seed", file, torrent]:
            seed(Path(file), Path(torrent))
        case ["get", port, torrent, target]:
            get(int(port), Path(torrent), Path(target))
        case _:
            sys.exit(__doc__)


def open_session() -> lt.session:
    """A session for two machines that know each other: nothing is looked for, TCP only."""
    return lt.session(
        {
            "listen_interfaces": f"{HOST}:0",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_outgoing_utp": False,
            "enable_incoming_utp": False,
            "alert_mask": 0,
        }
    )


def seed(file: Path, torrent: Path) -> None:
    """Offer the file until the process is ended."""
    files = lt.file_storage()
    lt.add_files(files, str(file))
    made = lt.create_torrent(files)
    lt.set_piece_hashes(made, str(file.parent))
    torrent.write_bytes(lt.bencode(made.generate()))
    session = open_session()
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(str(torrent))
    parameters.save_path = str(file.parent)
    parameters.flags |= lt.torrent_flags.seed_mode
    session.add_torrent(parameters)
    while not session.listen_port():
        time.sleep(STEP_S)
    print(session.listen_port(), flush=True)
    while True:
        time.sleep(60)


def get(port: int, torrent: Path, target: Path) -> None:
    """Fetch it once; what the interpreter and the library take to start is not counted."""
    session = open_session()
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(str(torrent))
    parameters.ti.rename_file(0, target.name)
    parameters.save_path = str(target.parent)
    started = time.perf_counter()
    handle = session.add_torrent(parameters)
    handle.connect_peer((HOST, port))
    while not handle.status().is_seeding:
        time.sleep(STEP_S)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(sys.argv[1:])
