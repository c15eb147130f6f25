"""Notices to relays: one datagram after each commit. A lost one only delays work until the relay looks by itself."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_SUFFIX: Final = ".relay-notice"
_LOOK_AGAIN: Final = 5.0  # seconds after which new relays are noticed


class RelayNotices:
    """Sends notices. Relays bind their sockets in `directory`; `steady` is a clock in seconds."""

    def __init__(self, directory: str, steady: Callable[[], float]) -> None:
        self._directory = directory
        self._steady = steady
        self._paths: tuple[str, ...] = ()
        self._looked = float("-inf")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def send(self, spool: str) -> None:
        """Tell every relay that the spool of this name has new rows. Never blocks, never fails."""
        for path in self._relays():
            try:
                self._socket.sendto(spool.encode(), path)
            except BlockingIOError:  # that relay has unread notices enough
                pass
            except OSError:  # that relay has ended
                self._paths = tuple(other for other in self._paths if other != path)

    def _relays(self) -> tuple[str, ...]:
        now = self._steady()
        if now - self._looked >= _LOOK_AGAIN:
            self._looked = now
            with suppress(OSError):
                names = os.listdir(self._directory)
                self._paths = tuple(f"{self._directory}/{name}" for name in names if name.endswith(_SUFFIX))
        return self._paths

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _remove_stale(directory: str) -> None:
    """Remove the sockets of relays that were killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as probe:
        for name in os.listdir(directory):
            if name.endswith(_SUFFIX):
                try:
                    probe.connect(f"{directory}/{name}")
                except ConnectionRefusedError:
                    with suppress(OSError):
                        os.unlink(f"{directory}/{name}")
                except OSError:
                    continue


def bind_notices(directory: str, name: str) -> socket.socket:
    """Return the relay's datagram socket, which everybody on the host may write to. Raises OSError."""
    _remove_stale(directory)
    path = f"{directory}/{name}-{os.getpid()}{_SUFFIX}"
    with suppress(FileNotFoundError):
        os.unlink(path)
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        heard.bind(path)
        os.chmod(path, 0o666)  # noqa: S103  # a notice says no more than "look"
    except OSError:
        heard.close()
        raise
    return heard
