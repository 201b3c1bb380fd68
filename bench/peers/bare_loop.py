"""The least that Python must do: receive over TLS 1.3, hash, and write. Nothing is planned.

Also the program of both ends, see `python_program`.
"""

import socket
import ssl
import sys
import time
from pathlib import Path

import blake3

from bench.peers.certificate import HOST
from bench.peers.contender import Contender
from bench.peers.python_program import serving_by

BUFFER_BYTES = 4 * 2**20


BARE_LOOP = Contender(
    "bare Python loop", "TLS 1.3", "BLAKE3 of every 4 MiB, not compared", serving_by(__name__)
)


def serve(file: str, certificate: str, key: str) -> None:
    """Send the file to everyone who connects."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    with socket.create_server((HOST, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            accepted, _ = listener.accept()
            with context.wrap_socket(accepted, server_side=True) as caller:
                _send_file(caller, file)


def _send_file(caller: ssl.SSLSocket, file: str) -> None:
    buffer = memoryview(bytearray(BUFFER_BYTES))
    with Path(file).open("rb", buffering=0) as source:
        while count := source.readinto(buffer):
            caller.sendall(buffer[:count])


def get(port: int, certificate: str, target: str) -> None:
    """Fetch it once."""
    context = ssl.create_default_context(cafile=certificate)
    buffer = memoryview(bytearray(BUFFER_BYTES))
    started = time.perf_counter()
    with (
        socket.create_connection((HOST, port)) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as server,
        Path(target).open("wb", buffering=0) as file,
    ):
        while count := _fill(server, buffer):
            blake3.blake3(buffer[:count]).digest()
            file.write(buffer[:count])
    print(time.perf_counter() - started)


def _fill(server: ssl.SSLSocket, buffer: memoryview) -> int:
    """Receive until the buffer is full or the sender is done; how many bytes."""
    filled = 0
    while filled < len(buffer):
        count = server.recv_into(buffer[filled:])
        if count == 0:
            break
        filled += count
    return filled


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", served, its_certificate, its_key]:
            serve(served, its_certificate, its_key)
        case ["get", its_port, its_certificate, fetched]:
            get(int(its_port), its_certificate, fetched)
        case _:
            sys.exit(__doc__)
