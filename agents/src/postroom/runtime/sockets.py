"""Listening sockets for runs without systemd, from the `listen` setting."""

import os
import socket
import stat
from pathlib import Path

from postroom.runtime.config import ConfigError

BACKLOG = 1024


def bind(address: str) -> socket.socket:
    """Create a listening socket for `127.0.0.1:25`, `[::1]:25` or `unix:/path`.

    Raises ConfigError: the address is malformed or in use.
    """
    try:
        listening = _bind_unix(address[5:]) if address.startswith("unix:") else _bind_tcp(address)
    except OSError as error:
        raise ConfigError(f"listen address {address}: {error.strerror or error}") from error
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"listen address {address}: give HOST:PORT, [IPv6]:PORT or unix:/PATH") from error
    listening.setblocking(False)
    return listening


def _bind_tcp(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    if not host:  # the kernel would take every address of the machine for it
        raise ValueError("no host")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((host.strip("[]"), int(port)))
        listening.listen(BACKLOG)
    except (OSError, ValueError, OverflowError):
        listening.close()
        raise
    return listening


def _bind_unix(path: str) -> socket.socket:
    if Path(path).exists() and stat.S_ISSOCK(os.stat(path).st_mode):
        Path(path).unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.bind(path)
        os.chmod(path, 0o660)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
