"""What the doctor finds out about network interfaces: which there are, and which one wins."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

import psutil

from lanspread_peer.control.doctor.finding import Finding, Verdict

MULTICAST_GROUP = "224.0.0.251"
MULTICAST_PORT = 5353

# What tunnels, containers and virtual machines call their interfaces.
_VIRTUAL_BEGINNINGS = (
    *("tun", "tap", "wg", "ppp", "utun", "zt", "tailscale", "nordlynx", "proton"),
    *("docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "lxc", "cni", "podman", "vethernet"),
)
_VIRTUAL_WORDS = (
    *("virtualbox", "vmware", "hyper-v", "openvpn", "wireguard", "tailscale", "zerotier"),
    *("hamachi", "radmin", "vpn"),
)


@dataclass(frozen=True, slots=True)
class Interface:
    """One that is up, with its addresses; link-local ones are left out."""

    name: str
    hosts: tuple[str, ...]

    @property
    def is_virtual(self) -> bool:
        """Whether it looks like one that leads to no LAN."""
        name = self.name.lower()
        return name.startswith(_VIRTUAL_BEGINNINGS) or any(word in name for word in _VIRTUAL_WORDS)

    @property
    def hosts_v4(self) -> tuple[str, ...]:
        return tuple(host for host in self.hosts if ip_address(host).version == 4)


def own_interfaces() -> list[Interface]:
    """Those of this machine that are up and have an address, loopback left out."""
    states = psutil.net_if_stats()
    interfaces = []
    for name, entries in psutil.net_if_addrs().items():
        if name in states and not states[name].isup:
            continue
        hosts = [
            entry.address.partition("%")[0]
            for entry in entries
            if entry.family in (socket.AF_INET, socket.AF_INET6)
        ]
        usable = tuple(host for host in hosts if _leads_somewhere(host))
        if usable:
            interfaces.append(Interface(name, usable))
    return interfaces


def multicast_host() -> str:
    """The own address that the system takes for multicast; empty when it knows no way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent by that.
            probe.connect((MULTICAST_GROUP, MULTICAST_PORT))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def judge_interfaces(interfaces: Iterable[Interface], bind: str, preferred: str) -> Finding:
    """What these mean, with the setting `bind`, when multicast goes by the address `preferred`."""
    check = "interfaces"
    every = list(interfaces)
    shown = ", ".join(f"{each.name} ({each.hosts[0]})" for each in every)
    if bind:
        return _judge_bind(every, bind, shown)
    if not every:
        told = "no network interface has an address"
        return Finding(check, Verdict.FAIL, told, "plug in the cable, or join the network")
    real = [each for each in every if not each.is_virtual]
    winner = next((each for each in every if preferred in each.hosts), None)
    if not real or (winner is not None and winner.is_virtual):
        told = f"{(winner or every[0]).name} wins over the LAN; there are {shown}"
        return Finding(check, Verdict.WARN, told, "end the VPN, or give --bind the LAN's address")
    if len(real) > 1:
        told = f"several lead to a network: {shown}"
        advice = "if others are slow or not found, give --bind the address of the fastest"
        return Finding(check, Verdict.WARN, told, advice)
    return Finding(check, Verdict.OK, f"there are {shown}")


def _judge_bind(interfaces: list[Interface], bind: str, shown: str) -> Finding:
    check = "interfaces"
    hosts = {host for each in interfaces for host in each.hosts}
    if ip_address(bind).is_loopback:
        told = f"confined to {bind}, which no other PC reaches"
        return Finding(check, Verdict.WARN, told, "leave --bind out, or name the LAN's address")
    if bind not in hosts:
        told = f"no interface has the address {bind}; there are {shown or 'none'}"
        return Finding(check, Verdict.FAIL, told, "correct --bind, or leave it out")
    return Finding(check, Verdict.OK, f"confined to {bind}")


def _leads_somewhere(host: str) -> bool:
    address = ip_address(host)
    return not (address.is_loopback or address.is_link_local)
