"""Sockets for runs without systemd."""

import socket
import stat
from pathlib import Path

import pytest
from postroom.runtime.config import ConfigError
from postroom.runtime.sockets import bind


def test_a_unix_socket_is_for_its_group_and_takes_the_place_of_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for _ in range(2):
        with bind(f"unix:{path}") as listening, socket.socket(socket.AF_UNIX) as client:
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert not listening.getblocking()
            client.connect(str(path))


def test_x22_other_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"kept")
    with pytest.raises(ConfigError, match="listen address unix:"):
        bind(f"unix:{tmp_path}/s")
    assert (tmp_path / "s").read_bytes() == b"kept"


def test_a_port_is_bound_once() -> None:
    with bind("127.0.0.1:0") as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            pass
        with pytest.raises(ConfigError, match="in use"):
            bind(f"127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:smtp", "127.0.0.1:65536", "25", ":25"])
def test_malformed_addresses_are_named(address: str) -> None:
    with pytest.raises(ConfigError, match=f"listen address {address}"):
        bind(address)
