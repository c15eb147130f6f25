"""Plays the dialogs beside this file: C: is sent, S: must come, each with CR LF.

`MAIL:` puts a message into the maildrop first (\\n is CR LF), `TLS:` makes the handshake, `CONNECT: tls` uses
the other port, `SEND:` sends octets as Python writes them, or that many letters, `CLOSED:` waits for the end.
In `S:` lines `*` matches anything.
"""

import ast
import re
import socket
import ssl
from pathlib import Path

import pytest

from .conftest import PASSWORD, Server

DIALOGS = sorted(Path(__file__).parent.glob("*.dialog"))


class Player:
    """One dialog against one server."""

    def __init__(self, server: Server, lines: list[str]) -> None:
        self.server = server
        self.steps = [line.partition(":") for line in lines if line and not line.startswith("#")]
        mails = [text.strip() for kind, _, text in self.steps if kind == "MAIL"]
        self.user = server.new_person(*(text.replace("\\n", "\r\n").encode() for text in mails))
        self.heard = b""

    def play(self) -> None:
        kind, _, text = self.steps[0]
        secured = kind == "CONNECT" and text.strip() == "tls"
        port = self.server.secured if secured else self.server.plain
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        if secured:
            self.handshake()
        try:
            for number, (kind, _, text) in enumerate(self.steps, 1):
                self.step(kind, text.removeprefix(" "), number)
        finally:
            self.socket.close()

    def step(self, kind: str, text: str, number: int) -> None:
        text = text.replace("{user}", self.user).replace("{password}", PASSWORD)
        if kind == "C":
            self.socket.sendall(text.encode() + b"\r\n")
        elif kind == "SEND":
            sent = ast.literal_eval(text)
            self.socket.sendall(b"A" * sent if isinstance(sent, int) else sent)
        elif kind == "S":
            line = self.line()
            pattern = ".*".join(map(re.escape, text.split("*")))
            assert re.fullmatch(pattern, line), f"step {number}: wanted {text!r}, heard {line!r}"
        elif kind == "TLS":
            self.handshake()
        elif kind == "CLOSED":
            assert self.heard == b""
            assert self.more() == b"", f"step {number}: still open"

    def handshake(self) -> None:
        assert self.heard == b""
        self.socket = self.server.context().wrap_socket(self.socket, server_hostname="mail.a.example")

    def line(self) -> str:
        while b"\r\n" not in self.heard:
            octets = self.more()
            assert octets, f"closed after {self.heard!r}"
            self.heard += octets
        line, _, self.heard = self.heard.partition(b"\r\n")
        return line.decode()

    def more(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return b""


@pytest.mark.parametrize("which", ["server", "far_server"])
@pytest.mark.parametrize("path", DIALOGS, ids=lambda path: path.stem)
def test_dialog(request: pytest.FixtureRequest, which: str, path: Path) -> None:
    server: Server = request.getfixturevalue(which)
    Player(server, path.read_text().splitlines()).play()


def test_there_are_dialogs() -> None:
    assert len(DIALOGS) >= 10
