"""Ports for agents that bind them by themselves."""

import itertools
import os
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _HIGHEST = 10_000, int(_RANGE.read_text().split()[0])
_candidates = itertools.count(os.getpid() * 101)


def free_port() -> int:
    """A port of loopback that is free and stays so: none that the kernel gives to connections, none given before."""
    for number in _candidates:
        port = _LOWEST + number % (_HIGHEST - _LOWEST)
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")
