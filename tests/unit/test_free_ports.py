"""The ports that tests take for granted are free, and two runs of tests never share one."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.ports import free_port

TESTS = Path(__file__).parents[1]
# Where the systems take any free port from, at the lowest.
EPHEMERAL = 32768


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_is_given_only_while_nobody_has_it(kind: socket.SocketKind) -> None:
    taken = free_port()
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", taken))
        # Far more than there are, so that each that may be given is.
        given = {free_port() for _ in range(250)}
    assert taken not in given
    assert max(given) < EPHEMERAL
    assert taken in {free_port() for _ in range(250)}


def test_two_processes_have_no_port_in_common() -> None:
    look = "from support.ports import free_port; print({free_port() for _ in range(250)})"
    others = subprocess.run(
        [sys.executable, "-c", look], check=True, capture_output=True, text=True, cwd=TESTS
    )
    assert str(free_port()) not in others.stdout.strip("{}\n").split(", ")
