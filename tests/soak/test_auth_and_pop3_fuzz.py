"""Octets of every kind on the auth agent's socket and into the POP3 core."""

import contextlib
import random
import time
from collections.abc import Iterator

import pytest
from postroom.wire import auth_protocol as proto
from postroom.wire.lines import LineTooLong
from postroom.wire.pop3.commands import CommandParser, PeerError

from ..amounts import amount
from ..unit.auth.conftest import PEOPLE, Parts, Peer, parts, socket_path
from ..unit.auth.test_server import auth

__all__ = ["parts", "socket_path"]  # fixtures

pytestmark = [pytest.mark.soak, pytest.mark.timeout(36_000)]
INPUTS = amount(2_000, 100_000)
WORDS = [
    b"AUTH", b"CONT", b"CANCEL", b"VERSION", b"CPID", b"OK", b"FAIL", b"\t", b"\t", b"\t", b"1", b"2", b"4294967295",
    b"PLAIN", b"LOGIN", b"secured", b"resp=", b"rip=192.0.2.1", b"service=imap", b"AGEAYg==", b"=", b"\x01t", b"\0",
    b"\r", b"\xff", b"%", b"-1", b"x" * 500,
]  # fmt: skip
COMMANDS = [
    b"USER", b"PASS", b"AUTH", b"STLS", b"CAPA", b"QUIT", b"STAT", b"LIST", b"RETR", b"DELE", b"TOP", b"UIDL", b" ",
    b" ", b"1", b"99999999999", b"\r\n", b"\r\n", b"\r", b"\n", b"\0", b"\xff", b"plain", b"x" * 300,
]  # fmt: skip
SLOWEST = 0.25  # seconds for one input


def inputs(words: list[bytes], seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    for _ in range(INPUTS):
        yield b"".join(chance.choices(words, k=chance.randrange(1, 12)))


def test_the_auth_protocol_reads_whatever_is_sent() -> None:
    """X18, X23: a command, or the one error."""
    for octets in inputs(WORDS, 1):
        began = time.monotonic()
        with contextlib.suppress(proto.ProtocolError):
            proto.read_command(octets)
        with contextlib.suppress(proto.ProtocolError):
            proto.read_reply(octets)
        assert time.monotonic() - began < SLOWEST


async def test_the_auth_socket_survives_whatever_is_sent(parts: Parts, socket_path: str) -> None:
    """X18, X23: each peer is dropped or goes on, and a good login goes through after every one of its lines."""
    good, bad = await Peer.connect(socket_path), await Peer.connect(socket_path)
    for number, octets in enumerate(inputs(WORDS, 3)):
        if number >= INPUTS // 20:
            break
        bad.send(octets + b"\n" + auth(4_000_000_000 + number, "ada", PEOPLE["ada"]))
        while (line := await bad.line()) and f"\t{4_000_000_000 + number}\t".encode() not in line:
            pass
        if not line:
            bad.close()
            bad = await Peer.connect(socket_path)
        good.send(auth(number, "ada", PEOPLE["ada"]))
        assert (await good.line()).startswith(b"OK")
    good.close()
    bad.close()


def test_the_pop3_core_survives_whatever_is_sent() -> None:
    """No error but its own two, no input that takes long, nothing piling up."""
    parser = CommandParser()
    for number, octets in enumerate(inputs(COMMANDS, 2)):
        began = time.monotonic()
        parser.feed(octets)
        try:
            while True:
                try:
                    if parser.next_command() is None:
                        break
                except PeerError:
                    continue
        except LineTooLong:
            parser = CommandParser()
        if number % 100 == 0:
            parser.logged_in()
        assert parser.pipelined <= 20_000
        assert time.monotonic() - began < SLOWEST
