"""The service manager's interface: sockets it passes in, and messages it expects. sd_listen_fds(3), sd_notify(3)."""

import os
import socket
import stat

FIRST = 3  # SD_LISTEN_FDS_START


def inherited_sockets() -> dict[str, list[socket.socket]]:
    """Return the listening sockets by FileDescriptorName. A name may have several (IPv4 and IPv6)."""
    sockets: dict[str, list[socket.socket]] = {}
    for descriptor, name in _inherited():
        os.set_inheritable(descriptor, False)
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            listening = socket.socket(fileno=descriptor)
            listening.setblocking(False)
            sockets.setdefault(name, []).append(listening)
    return sockets


def stored(name: str) -> int | None:
    """Return the descriptor that an earlier start of this service stored with the manager, or None."""
    for descriptor, known in _inherited():
        if known == name and not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return descriptor
    return None


def store(name: str, descriptor: int) -> None:
    """Store a descriptor with the manager for the next start. Needs FileDescriptorStoreMax=."""
    _send(f"FDSTORE=1\nFDNAME={name}", descriptor)


def is_listening() -> bool:
    """Return whether a service manager is listening."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def _inherited() -> list[tuple[int, str]]:
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    count = int(os.environ.get("LISTEN_FDS", "0"))
    return [(FIRST + n, names[n] if n < len(names) else "unknown") for n in range(count)]


def notify(*states: str) -> None:
    """Send states to the service manager, if there is one: READY=1, RELOADING=1, STOPPING=1, WATCHDOG=1, STATUS=..."""
    _send("\n".join(states))


def _send(text: str, *descriptors: int) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        try:
            manager.connect(address)
            socket.send_fds(manager, [text.encode()], list(descriptors))
        except OSError:
            pass  # the manager is gone or busy, which does not harm the service


def watchdog_interval() -> float | None:
    """Return the seconds between two watchdog messages: half of WatchdogSec."""
    microseconds = os.environ.get("WATCHDOG_USEC")
    return int(microseconds) / 2_000_000 if microseconds else None
