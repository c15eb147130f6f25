"""What systemd hands to a service and wants to hear from it. sd_listen_fds(3), sd_notify(3)."""

import os
import socket

FIRST = 3  # SD_LISTEN_FDS_START


def inherited_sockets() -> dict[str, list[socket.socket]]:
    """Listening sockets by FileDescriptorName; one name may have several (IPv4 and IPv6)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(os.environ.get("LISTEN_FDS", "0"))
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    sockets: dict[str, list[socket.socket]] = {}
    for number in range(count):
        os.set_inheritable(FIRST + number, False)
        name = names[number] if number < len(names) else "unknown"
        listening = socket.socket(fileno=FIRST + number)
        listening.setblocking(False)
        sockets.setdefault(name, []).append(listening)
    return sockets


def notify(*states: str) -> None:
    """Tell the service manager, if there is one: READY=1, RELOADING=1, STOPPING=1, WATCHDOG=1, STATUS=..."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        try:
            manager.connect(address)
            manager.sendall("\n".join(states).encode())
        except OSError:
            pass  # the manager is gone or busy; the service is none the worse for it


def watchdog_interval() -> float | None:
    """Seconds between two signs of life: half of WatchdogSec."""
    microseconds = os.environ.get("WATCHDOG_USEC")
    return int(microseconds) / 2_000_000 if microseconds else None
