"""Numbers that keep clusters on one machine apart: each has its own ports and subnets."""

import socket
from pathlib import Path

from clusters import commands, places

SLOTS = 32
FIRST_PORT = 21000
PORTS = ("apiserver", "etcd", "etcd-peer", "controller-manager", "scheduler", "kwok")


def port(slot: int, name: str) -> int:
    """The port of one component."""
    return FIRST_PORT + slot * 10 + PORTS.index(name)


def host_address(slot: int) -> str:
    """The machine's end of the link to the node."""
    return f"10.213.{slot}.1"


def node_address(slot: int) -> str:
    """The node's end of that link; the API server listens there."""
    return f"10.213.{slot}.2"


def pod_subnet(slot: int) -> str:
    """Where the Pods' addresses come from."""
    return f"10.214.{slot}.0/24"


def link_name(slot: int) -> str:
    """The name of the machine's end of the link."""
    return f"buildstate{slot}"


def claim(directory: Path) -> int:
    """A slot for the cluster in this directory, which keeps it as long as it exists."""
    with places.locked(places.cache("locks", ".slots")):
        taken = {int(file.read_text()) for file in places.state().glob("*/slot")}
        slot = next((n for n in range(SLOTS) if n not in taken and _free(n)), None)
        if slot is None:
            raise RuntimeError(f"all {SLOTS} slots are taken: see {places.state()}")
        directory.mkdir(parents=True, mode=0o700)
        (directory / "slot").write_text(str(slot))
        return slot


def _free(slot: int) -> bool:
    return all(_port_free(port(slot, name)) for name in PORTS) and not _routed(slot)


def _port_free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def _routed(slot: int) -> bool:
    # Somebody else's network (a VPN, say) may use the same addresses.
    try:
        routes = commands.run("ip", "-4", "route", "show")
    except OSError:
        return False
    return f"10.213.{slot}." in routes or f"10.214.{slot}." in routes
