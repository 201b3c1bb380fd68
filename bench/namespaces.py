"""A small network of machines on this one: a namespace for each, joined by a switch, links shaped.

Names hold this process's id, so that runs side by side do not meet; all of it goes at the end.
Needs Linux, root, and the tools `ip` and `tc`.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from bench.processes import output_of

# More than one burst of a network card, and short enough that a queue never costs a tenth of a
# second.
_BURST = "256kb"
_LATENCY = "50ms"


@dataclass(frozen=True, slots=True)
class Machine:
    """One of them: its address, and the command that runs a program there."""

    address: str
    run_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """What a machine can send and receive, in Mbit/s."""

    up: float
    down: float


@contextlib.contextmanager
def network(*links: Link) -> Iterator[list[Machine]]:
    """A machine for each link. Raises RuntimeError where this cannot be done."""
    if shutil.which("ip") is None or shutil.which("tc") is None:
        raise RuntimeError("network namespaces need the tools ip and tc")
    switch = f"lanspread-{os.getpid()}-switch"
    names = [f"lanspread-{os.getpid()}-{number}" for number in range(1, len(links) + 1)]
    made: list[str] = []
    try:
        for name in (switch, *names):
            _ip("netns", "add", name)
            made.append(name)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        yield [
            _join(name, switch, number, link)
            for number, (name, link) in enumerate(zip(names, links, strict=True), start=1)
        ]
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=False)


def _join(name: str, switch: str, number: int, link: Link) -> Machine:
    port, address = f"port{number}", f"10.77.0.{number}"
    _ip(
        *("link", "add", "name", "eth0", "netns", name, "type", "veth"),
        *("peer", "name", port, "netns", switch),
    )
    _ip("-n", switch, "link", "set", port, "master", "bridge", "up")
    _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", name, "link", "set", "eth0", "up")
    _ip("-n", name, "link", "set", "lo", "up")
    _shape(name, "eth0", link.up)
    _shape(switch, port, link.down)
    return Machine(address, ("ip", "netns", "exec", name))


def _shape(name: str, device: str, mbit: float) -> None:
    shaper = ("tbf", "rate", f"{mbit:g}mbit", "burst", _BURST, "latency", _LATENCY)
    output_of(["tc", "-n", name, "qdisc", "add", "dev", device, "root", *shaper])


def _ip(*words: str) -> None:
    output_of(["ip", *words])
