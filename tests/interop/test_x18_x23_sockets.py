"""X18 and X23: octets of every kind at every unix socket: the peer may be dropped, the agent stays and serves."""

import random
import re
import socket
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ..amounts import amount
from ..clients import imap, received, submit, wait_for
from ..conftest import Sandbox

DOMAIN, ADA, BOB = "alpha.example", "ada@alpha.example", "bob@alpha.example"
INPUTS = amount(400, 20_000)
WORDS = [
    b"\t", b"\n", b"\r\n", b"\r", b"\0", b" ", b"=", b":", b"<", b">", b"@", b"\xff", b"\x80", b"%s", b"-1", b"0", b"1",
    b"4294967296", b"VERSION\t1\t2\n", b"CPID\t1\n", b"AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=", b"CONT\t1\t",
    b"AGEAYg==", b"LHLO x\r\n", b"EHLO x\r\n", b"MAIL FROM:<", b"MAIL FROM:<>\r\n", b"RCPT TO:<", b"BODY=8BITMIME",
    b"RCPT TO:<ada@alpha.example>\r\n", b"DATA\r\n", b"BDAT 5\r\n", b"XFORWARD IDENT=", b"XCLIENT NAME=", b".\r\n",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n", b"RSET\r\n", b"QUIT\r\n", b"ada", b"../", b"/etc/passwd", b"x" * 1000,
    b"\xf0\x9f\x98\x80", b"{99999999999}", b"\x16\x03\x01", b'{"a":', b"\x1b[2J",
]  # fmt: skip
OF = {"auth": "auth", "lmtp": "mda", "submit": "msa", "notice": "imap", "relay-notice": "relay"}


@pytest.fixture(scope="module")
def site(start_sandbox: Callable[..., Sandbox]) -> Iterator[Sandbox]:
    """A sandbox in which somebody watches a mailbox, which is what the imap agent opens its socket for."""
    started = start_sandbox("--user", f"{ADA}:secret of ada", "--user", f"{BOB}:secret of bob")
    with imap(started, BOB) as watching:
        watching.select("INBOX")
        yield started


def sockets(site: Sandbox) -> dict[Path, str]:
    """Every socket that an agent listens on, and the agent."""
    found = {}
    for path in sorted((site.folder(DOMAIN)).rglob("*")):
        if stat.S_ISSOCK(path.lstat().st_mode) and path.suffix != ".notify":
            words = [word for word in OF if word in path.name or word == path.parent.name]
            assert words, f"{path}: a socket that no test knows"
            agent = OF[max(words, key=len)]
            found[path] = "pop3" if agent == "imap" and "pop3" in path.name else agent
    return found


def garbage(chance: random.Random) -> bytes:
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(1, 300))
    return b"".join(chance.choices(WORDS, k=chance.randrange(1, 14)))


def stream(path: Path, octets: bytes, chance: random.Random) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(30)
        peer.connect(str(path))
        with suppress(OSError):
            peer.sendall(octets)
            if chance.random() < 0.5:
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):  # it answers or ends, and does not wait for ever
                    pass


def datagram(path: Path, octets: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.setblocking(False)
        with suppress(BlockingIOError):
            peer.sendto(octets, str(path))


def test_all_kinds_of_sockets_are_there(site: Sandbox) -> None:
    assert set(sockets(site).values()) == {"auth", "mda", "msa", "imap", "relay"} | (
        {"pop3"} if any("pop3" in path.name for path in sockets(site)) else set()
    )


@pytest.mark.soak
@pytest.mark.timeout(14_400)
@pytest.mark.parametrize("agent", ["auth", "mda", "msa", "imap", "relay"])
def test_garbage_is_survived(site: Sandbox, agent: str) -> None:
    chance = random.Random(agent)
    pids = {name: site.pid(DOMAIN, name) for name in ("auth", "mda", "msa", "imap", "relay", "mta")}
    for path in [path for path, listener in sockets(site).items() if listener == agent]:
        for _ in range(INPUTS):
            octets = garbage(chance)
            if agent in ("imap", "relay"):
                datagram(path, octets)
            else:
                stream(path, octets, chance)
    subject = str(uuid.uuid4())
    submit(site, ADA, BOB, subject=subject)
    assert received(site, BOB, subject)
    assert pids == {name: site.pid(DOMAIN, name) for name in pids}
    log = site.log(DOMAIN, agent)
    assert "Traceback" not in log
    assert "internal error" not in log
    assert not re.search(r"[\0-\x08\x0b-\x1f\x7f]", log)  # nothing in a line that was not meant as text
    assert "\x1b" not in log


def test_a_client_that_stops_in_the_middle_keeps_nobody_waiting(site: Sandbox) -> None:
    """Half a line on many connections, and the next peer is served."""
    held = []
    for path, agent in sockets(site).items():
        if agent in ("auth", "mda", "msa"):
            for _ in range(50):
                peer = socket.socket(socket.AF_UNIX)
                peer.connect(str(path))
                peer.sendall(b"AUTH\t1\tPLAIN" if agent == "auth" else b"MAIL FROM:<a")
                held.append(peer)
    subject = str(uuid.uuid4())
    submit(site, ADA, BOB, subject=subject)
    assert received(site, BOB, subject)
    for peer in held:
        peer.close()


def test_who_may_speak_is_settled_by_the_file(site: Sandbox) -> None:
    """Stream sockets with commands belong to their owner alone here; a wake-up call carries nothing."""
    for path, agent in sockets(site).items():
        mode = stat.S_IMODE(path.stat().st_mode)
        if agent in ("auth", "mda", "msa"):
            assert mode == 0o600, path
        elif agent != "relay":
            assert mode == 0o660, path


def test_the_local_socket_believes_no_forwarded_client(site: Sandbox) -> None:
    """No XCLIENT, no XFORWARD, no PROXY line from a peer that nobody named."""
    for agent in ("smtp", "submission"):
        with socket.create_connection(site.port(DOMAIN, agent), 30) as peer:
            peer.sendall(
                b"EHLO x.example\r\nXCLIENT ADDR=192.0.2.1\r\nXFORWARD ADDR=192.0.2.1\r\n"
                b"PROXY TCP4 192.0.2.1 192.0.2.2 1 1\r\nQUIT\r\n"
            )
            heard = b""
            while octets := peer.recv(4096):
                heard += octets
        assert heard.count(b"\r\n500 ") == 3
        assert b"XCLIENT" not in heard.upper()
    wait_for(lambda: "192.0.2.1" not in site.log(DOMAIN, "mta"))
