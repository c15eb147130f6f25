"""X5: a hundred strangers per port who never end what they began: little memory, others served, no agent dies.

And what a connection costs on which nothing happens.
"""

import os
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from ..agents import LISTENING
from ..clients import imap, message, smtp, wait_for
from ..conftest import Sandbox
from ..raw import AGENT, GREETED, SERVICES, connect, line, say

STRANGERS = 100
PLAIN = 65_536  # octets of memory for one of them; 15,000 were seen
SECURED = 98_304  # 62,000 were seen: OpenSSL needs room for a whole record, and the heap has gaps
IDLE_PLAIN = 16_384  # 5,000 were seen
IDLE_SECURED = 49_152  # 27,000 were seen
WAITING = 4_000_000  # octets that each tries to send
PIECES = {
    "smtp": [b"EHLO " + b"x" * 4000, b"MAIL FROM:<" + b"a" * 5000, b"NOOP\r\n" * 800, b"\0" * 4096],
    "submission": [b"AUTH PLAIN " + b"QUJD" * 1000, b"x" * 4096],
    "submissions": [b"x" * 16_384, b"AUTH PLAIN " + b"QUJD" * 1000, b"AUTH LOGIN\r\n" + b"QUJD" * 1000],
    "imap": [b"(" * 4096, b"a ID (" + b'"k" "v" ' * 500, b"a LOGIN {4096+}\r\n" + b"x" * 4096],
    "imaps": [
        b"x" * 16_384,
        b"a X {99999999+}\r\n" + b"x" * 4096,
        b"a AUTHENTICATE PLAIN\r\n" + b"QUJD" * 1000,
    ],
    "pop3": [b"USER " + b"x" * 4096, b"CAPA\r\n" * 700],
    "pop3s": [b"AUTH PLAIN\r\n" + b"QUJD" * 1000, b"\xff" * 4096],
}


@pytest.fixture(scope="module")
def new_site(start_sandbox: Callable[..., Sandbox]) -> Callable[[], tuple[Sandbox, dict[str, int]]]:
    """Starts a sandbox whose agents have all served somebody, and what they needed for it."""

    def start() -> tuple[Sandbox, dict[str, int]]:
        trusted = [part for agent in LISTENING
                   for part in ("--set", f'{agent}.trusted_clients=["127.0.0.0/8"]')]  # fmt: skip
        many = ("--set", f"imap.max_connections_per_account={2 * STRANGERS}")
        site = start_sandbox("--user", "ada@alpha.example:secret of ada", *trusted, *many)
        for service in SERVICES:
            connect(site, "alpha.example", service).close()
            serve_others(site, service)
        idle(site).close()
        return site, {service: resident(site, service) for service in SERVICES}

    return start


@pytest.fixture(scope="module")
def stormed(new_site: Callable[[], tuple[Sandbox, dict[str, int]]]) -> tuple[Sandbox, dict[str, int]]:
    return new_site()


def resident(site: Sandbox, service: str) -> int:
    """Octets of the agent's own memory, in all of its workers."""
    found = 0
    for pid in site.pids("alpha.example", AGENT[service]):
        text = Path(f"/proc/{pid}/statm").read_text().split()
        found += (int(text[1]) - int(text[2])) * 4096
    return found


def open_files(site: Sandbox, service: str) -> int:
    """How many descriptors the agent holds."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in site.pids("alpha.example", AGENT[service]))


class Stranger:
    """One connection that sends without end and never reads but to learn of its end."""

    def __init__(self, connection: socket.socket, piece: bytes) -> None:
        self.connection, self.piece, self.sent, self.closed = connection, piece, 0, False
        connection.setblocking(False)

    def push(self) -> None:
        """Send what the socket takes."""
        try:
            self.sent += self.connection.send(self.piece)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.closed = True
        self.closed = self.closed or self.sent >= WAITING


def storm(strangers: list[Stranger], look: Callable[[], None], seconds: float) -> None:
    """Until all are turned away or have sent all, or for that long: then they stand there, holding what they can."""
    ends = time.monotonic() + seconds
    with selectors.DefaultSelector() as waiting:
        for one in strangers:
            waiting.register(one.connection, selectors.EVENT_WRITE, one)
        while waiting.get_map() and time.monotonic() < ends:
            for key, _ in waiting.select(0.2):
                for _ in range(8):
                    key.data.push()
                if key.data.closed:
                    waiting.unregister(key.fileobj)
            look()


@pytest.mark.parametrize(
    ("service", "piece"), [(service, piece) for service in SERVICES for piece in PIECES[service]],
    ids=lambda value: value if isinstance(value, str) else repr(value[:14]),
)  # fmt: skip
def test_strangers_are_kept_small(
    stormed: tuple[Sandbox, dict[str, int]], service: str, piece: bytes
) -> None:
    site, at_first = stormed  # memory that earlier strangers made it take counts again
    pid = site.pid("alpha.example", AGENT[service])
    highest = before = at_first[service]
    descriptors = open_files(site, service)

    def look() -> None:
        nonlocal highest
        highest = max(highest, resident(site, service))

    strangers = [Stranger(connect(site, "alpha.example", service), piece) for _ in range(STRANGERS)]
    try:
        storm(strangers, look, 4.0)
        begun = time.monotonic()
        serve_others(site, service)
        assert time.monotonic() - begun < 10
        look()
    finally:
        for one in strangers:
            with suppress(OSError):
                one.connection.close()
    # what strangers have sent before they left is read to its end, and the next ones come after that
    wait_for(lambda: open_files(site, service) < descriptors + STRANGERS // 10, 60)
    each = PLAIN if service in GREETED else SECURED
    assert highest - before < STRANGERS * each, f"{(highest - before) // STRANGERS} octets per stranger"
    assert site.pid("alpha.example", AGENT[service]) == pid
    assert "Traceback" not in site.log("alpha.example", AGENT[service])


def test_a_connection_at_rest_costs_little(
    new_site: Callable[[], tuple[Sandbox, dict[str, int]]],
) -> None:
    """All stay open to the end, so that none can use what others have given back."""
    site, _ = new_site()
    opened: list[socket.socket] = []
    kinds: dict[str, Callable[[], socket.socket]] = {
        service: partial(connect, site, "alpha.example", service) for service in SERVICES
    }
    for name, make in {**kinds, "IDLE": partial(idle, site)}.items():
        service = "imaps" if name == "IDLE" else name
        before = resident(site, service)
        opened += [make() for _ in range(STRANGERS)]
        each = (resident(site, service) - before) // STRANGERS
        assert each <= (IDLE_PLAIN if service in GREETED else IDLE_SECURED), name
    for one in opened:
        one.close()


def idle(site: Sandbox) -> socket.socket:
    """Somebody who is logged in and waits for mail."""
    made = connect(site, "alpha.example", "imaps")
    assert say(made, b'a LOGIN ada@alpha.example "secret of ada"').startswith(b"a OK")
    assert say(made, b"b SELECT INBOX").startswith(b"b OK")
    made.sendall(b"c IDLE\r\n")
    assert line(made).startswith(b"+ ")
    return made


def serve_others(site: Sandbox, service: str) -> None:
    """Somebody decent is served by the same agent."""
    if AGENT[service] == "mta":
        with smtp(site, "alpha.example") as client:
            text = message("x@outside.example", "ada@alpha.example", subject="x")
            client.sendmail("x@outside.example", ["ada@alpha.example"], text)
    elif AGENT[service] == "imap":
        imap(site, "ada@alpha.example").logout()
    else:
        wait_for(lambda: connect(site, "alpha.example", service, 10.0), 10).close()
