"""s2n-quic, on which the Rust implementation runs: a server and client written to measure it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.peers.contender import Contender, Fetch, seconds_of
from bench.peers.programs import S2N_QUIC, required
from bench.processes import first_line, running


@contextlib.contextmanager
def _serving(file: Path, folder: Path) -> Iterator[Fetch]:
    binary, certificate, log = required(S2N_QUIC), folder / "certificate.pem", folder / "log"
    with running([binary, "serve", file, certificate], log) as server:
        port = first_line(server, log)
        yield lambda target: seconds_of([binary, "get", port, certificate, target])


S2N = Contender("s2n-quic", "QUIC (TLS 1.3)", "BLAKE3 of the file, not compared", _serving)
