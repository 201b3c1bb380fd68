"""nginx serves over HTTPS; curl fetches in one connection, aria2 in four."""

import contextlib
import getpass
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.peers.certificate import HOST, write_certificate
from bench.peers.contender import Contender, Fetch, seconds_of
from bench.peers.programs import program
from bench.processes import Word, free_port, running, wait_listening

CONNECTIONS = 4

# One worker for each core, as nginx advises; nothing is written below its compiled-in folders.
_CONFIGURATION = """
daemon off; user {user}; pid {folder}/pid; error_log {folder}/error.log; worker_processes auto;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.3;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    root {root};
  }}
}}
"""

Command = Callable[[str, Path, Path], list[Word]]
"""What fetches an address, trusting a certificate, to a path."""


def _curl(address: str, certificate: Path, target: Path) -> list[Word]:
    return [*program("curl"), "-sS", "--fail", "--cacert", certificate, "-o", target, address]


def _aria2(address: str, certificate: Path, target: Path) -> list[Word]:
    return [
        *(*program("aria2c"), "--no-conf", "-q", "--file-allocation=none", "--min-split-size=1M"),
        *(f"--split={CONNECTIONS}", f"--max-connection-per-server={CONNECTIONS}"),
        *(f"--ca-certificate={certificate}", f"--dir={target.parent}", f"--out={target.name}"),
        address,
    ]


def _served_for(
    command: Command,
) -> Callable[[Path, Path], contextlib.AbstractContextManager[Fetch]]:
    @contextlib.contextmanager
    def serving(file: Path, folder: Path) -> Iterator[Fetch]:
        certificate, key = write_certificate(folder)
        port, log = free_port(), folder / "log"
        address = f"https://{HOST}:{port}/{file.name}"
        configuration = folder / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                user=getpass.getuser(),
                folder=folder,
                port=port,
                certificate=certificate,
                key=key,
                root=file.parent,
            ),
            "utf-8",
        )
        # Whether the client is there is found out before anything runs.
        command(address, certificate, file)
        nginx: list[Word] = [*program("nginx"), "-p", folder, "-c", configuration, "-e", log]
        with running(nginx, log):
            wait_listening(port)
            yield lambda target: seconds_of(command(address, certificate, target))

    return serving


_TLS_ONLY = "none beyond TLS"
CURL = Contender("nginx and curl", "TLS 1.3", _TLS_ONLY, _served_for(_curl))
ARIA2 = Contender("nginx and aria2", "TLS 1.3", _TLS_ONLY, _served_for(_aria2))
