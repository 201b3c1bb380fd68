"""A firewall in front of one machine of a small network: what comes in is dropped in silence.

Made of IPsec policies that drop, as every kernel with namespaces has these. They keep no state, so
that a test says when a real firewall would have seen the machine call somebody.
"""

import subprocess

from bench.namespaces import Machine

_DROPS, _LETS_IN = 100, 10


class Firewall:
    """Closed for whoever connects by TCP to the port, and for all UDP."""

    def __init__(self, machine: Machine, port: int) -> None:
        self._machine = machine
        self._port = port
        self._policy("proto", "tcp", "dport", str(port), action="block", priority=_DROPS)
        self._policy("proto", "udp", action="block", priority=_DROPS)

    def called(self, host: str, port: int) -> None:
        """The machine has sent from its port to this one by UDP, so answers are let in."""
        self._policy(
            *("proto", "udp", "sport", str(port), "dport", str(self._port)),
            source=host,
            action="allow",
            priority=_LETS_IN,
        )

    def _policy(
        self, *selector: str, action: str, priority: int, source: str = "0.0.0.0/0"
    ) -> None:
        words = ("src", source, "dst", "0.0.0.0/0", *selector, "dir", "in")
        subprocess.run(
            [
                *(*self._machine.run_by, "ip", "xfrm", "policy", "add", *words),
                *("action", action, "priority", str(priority)),
            ],
            check=True,
            capture_output=True,
        )


def can_connect(machine: Machine, host: str, port: int) -> bool:
    """Whether the machine can connect there by TCP within a second."""
    connecting = f"import socket; socket.create_connection(({host!r}, {port}), 1.0).close()"
    done = subprocess.run(
        [*machine.run_by, "python3", "-c", connecting], check=False, capture_output=True
    )
    return done.returncode == 0
