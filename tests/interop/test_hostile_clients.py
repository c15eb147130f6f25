"""Clients that are slow, many, or gone in the middle: the service answers others within a bound."""

import itertools
import os
import resource
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from ..agents import LISTENING
from ..amounts import amount
from ..clients import context, imap, pop3, read, received, smtp, submit, wait_for
from ..conftest import Sandbox
from ..raw import AGENT, GREETED, SERVICES, connect, line, say

DOMAIN, ADA, BOB = "alpha.example", "ada@alpha.example", "bob@alpha.example"
SECONDS = 20.0  # in which somebody decent is served whatever others do
CAP = {"smtp": 20, "submission": 20, "submissions": 20, "imap": 50, "imaps": 50, "pop3": 20, "pop3s": 20}
MANY = amount(1000, 5000)


@pytest.fixture(scope="module")
def site(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return start_sandbox("--user", f"{ADA}:secret of ada", "--user", f"{BOB}:secret of bob")


@pytest.fixture(scope="module")
def trusting(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A site without caps per client, as if each connection came from elsewhere; with room for few in all."""
    arguments = [part for agent in LISTENING
                 for part in ("--set", f'{agent}.trusted_clients=["127.0.0.0/8"]')]  # fmt: skip
    return start_sandbox("--user", f"{ADA}:secret of ada", "--user", f"{BOB}:secret of bob", *arguments)


@pytest.fixture(autouse=True)
def room_for_many_sockets() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def everybody_is_served(site: Sandbox) -> None:
    """A message goes from a login to a mailbox and is read by IMAP and POP3, each step within the bound."""
    subject = str(uuid.uuid4())
    for step in (
        lambda: submit(site, ADA, BOB, subject=subject),
        lambda: received(site, BOB, subject, seconds=SECONDS),
        lambda: pop3(site, ADA).quit(),
        lambda: smtp(site, DOMAIN).quit(),
    ):
        begun = time.monotonic()
        step()
        assert time.monotonic() - begun < SECONDS


@pytest.mark.soak
@pytest.mark.parametrize("service", SERVICES)
def test_thousands_of_connections_from_one_address(site: Sandbox, service: str) -> None:
    """Those within the cap are served, the others told so and closed; when they go, everything is as before."""
    pid = site.pid(DOMAIN, AGENT[service])
    address = site.port(DOMAIN, service)
    held = []
    for _ in range(MANY):
        one = socket.create_connection(address, 30)
        one.setblocking(False)
        held.append(one)
    wait_for(lambda: sum(map(_open, held)) <= CAP[service])
    others = [other for other in SERVICES if AGENT[other] != AGENT[service]]
    for other in others:  # other agents do not notice
        begun = time.monotonic()
        connect(site, DOMAIN, other).close()
        assert time.monotonic() - begun < SECONDS
    for one in held:
        one.close()
    wait_for(lambda: _greets(site, service), SECONDS)
    everybody_is_served(site)
    assert site.pid(DOMAIN, AGENT[service]) == pid
    assert "Traceback" not in site.log(DOMAIN, AGENT[service])


def _open(one: socket.socket) -> bool:
    """Whether the peer has kept the connection; what it said is read over."""
    try:
        while one.recv(4096):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _greets(site: Sandbox, service: str) -> bool:
    with suppress(OSError):
        made = socket.create_connection(site.port(DOMAIN, service), SECONDS)
        if service not in GREETED:
            made = context(site, DOMAIN).wrap_socket(made)
        with made:
            return line(made)[:4] in (b"220 ", b"* OK", b"+OK ")
    return False


@pytest.mark.soak
def test_slow_clients_hold_up_nobody(trusting: Sandbox) -> None:
    """Hundreds that send an octet now and then, in every state, while others are served in time."""
    starts = {"smtp": (b"EHLO a.example",), "imap": (), "pop3": (), "submissions": (b"EHLO a.example",)}
    slow = [
        (connect(trusting, DOMAIN, service), service) for service in starts for _ in range(amount(40, 100))
    ]
    for connection, service in slow:
        if starts[service]:
            say(connection, *starts[service])
    for connection, _ in slow[: len(slow) // 8]:
        say(connection, b"MAIL FROM:<x@outside.example>", b"RCPT TO:<ada@alpha.example>", b"DATA")
    text = itertools.cycle(b"From: x@outside.example ")
    for _ in range(amount(5, 60)):
        octet = bytes((next(text),))
        for connection, _ in slow:
            with suppress(OSError):
                connection.sendall(octet)
        everybody_is_served(trusting)
    for connection, _ in slow:
        connection.close()


SESSIONS = {
    "smtp": b"EHLO a.example\r\nMAIL FROM:<x@outside.example>\r\nRCPT TO:<ada@alpha.example>\r\nDATA\r\n"
    b"From: x@outside.example\r\nSubject: cut off\r\n\r\nHello\r\n.",
    "imap": b'a CAPABILITY\r\nb ID ("name" {3+}\r\nabc)\r\nc LOGIN {5+}\r\na@b.c x\r\nd NOOP\r\ne STARTTLS',
    "imaps": b"a LOGIN ada@alpha.example {13}\r\nsecret of ada\r\nb SELECT INBOX\r\nc APPEND INBOX {5+}\r\nabcde",
    "pop3s": b"CAPA\r\nUSER ada@alpha.example\r\nPASS secret of ada\r\nSTAT\r\nLIST\r\nDELE 1\r\nRETR 1",
    "submissions": b"EHLO a.example\r\nAUTH PLAIN AGFkYUBhbHBoYS5leGFtcGxlAHNlY3JldCBvZiBhZGE=\r\n"
    b"MAIL FROM:<ada@alpha.example>\r\nRCPT TO:<bob@alpha.example>\r\nDATA\r\n"
    b"From: ada@alpha.example\r\nSubject: cut off\r\n\r\nHello\r\n.",
}


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("service", SESSIONS)
def test_sessions_that_end_at_every_octet(trusting: Sandbox, service: str, ending: str) -> None:
    """Nothing half sent is accepted, nothing is left behind, nobody is disturbed."""
    octets = SESSIONS[service]
    pid = trusting.pid(DOMAIN, AGENT[service])
    descriptors = _descriptors(trusting, service)
    for length in range(len(octets) + 1):
        connection = connect(trusting, DOMAIN, service)
        with suppress(OSError):
            connection.sendall(octets[:length])
        if ending == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    everybody_is_served(trusting)
    assert read(trusting, ADA, "cut off") == []
    assert read(trusting, BOB, "cut off") == []
    wait_for(lambda: _descriptors(trusting, service) <= descriptors + 12)
    assert trusting.pid(DOMAIN, AGENT[service]) == pid
    log = trusting.log(DOMAIN, AGENT[service])
    assert "Traceback" not in log
    assert "internal error" not in log
    imap(trusting, ADA).logout()


def _descriptors(site: Sandbox, service: str) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in site.pids(DOMAIN, AGENT[service]))
