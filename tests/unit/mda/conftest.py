"""A real postroom-mda on a unix socket in a temporary folder, and a client that speaks LMTP to it."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from postroom.directory.apply import apply
from postroom.directory.reading import read_document

from ...killing import kill_with_workers

COMPANY = {
    "version": 1,
    "domains": [{"name": "alpha.example", "home": "mail.alpha.example"}],
    "accounts": [
        {"id": "ada", "address": "ada@alpha.example", "addresses": ["ada.l@alpha.example"]},
        {"id": "bob", "address": "bob@alpha.example"},
        {"id": "cyd", "address": "cyd@alpha.example", "quota_bytes": 3000},
        {"id": "dan", "address": "dan@alpha.example", "state": "disabled"},
    ],
    "aliases": [{"address": "info@alpha.example", "members": ["ada@alpha.example"]}],
}

WORKERS = 2


class Mda:
    """The process and its folder."""

    def __init__(self, folder: Path, company: dict[str, object], settings: str = "") -> None:
        self.folder = folder
        for name in ("accounts", "notice", "over-quota"):
            (folder / name).mkdir()
        self.publish(company)
        (folder / "mda.toml").write_text(
            f'host_name = "mail.alpha.example"\nlisten = {{ lmtp = ["unix:{folder}/lmtp"] }}\n'
            f'run_directory = "{folder}"\ndirectory_path = "{folder}/directory.db"\nworkers = {WORKERS}\n'
            f'accounts_directory = "{folder}/accounts"\nnotice_directory = "{folder}/notice"\n'
            f'over_quota_directory = "{folder}/over-quota"\n{settings}'
        )
        self.process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []

    def publish(self, company: dict[str, object]) -> None:
        apply(self.folder / "directory.db", read_document(json.dumps(company).encode()))

    def start(self) -> None:
        program = Path(sys.executable).parent / "postroom-mda"
        self.process = subprocess.Popen(
            [program, "--config", self.folder / "mda.toml"], stderr=subprocess.PIPE, text=True
        )
        self.wait_for_all("ready")

    def wait_for(self, text: str) -> str:
        """The next line of the log that holds the text."""
        assert self.process is not None
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError("".join(self.lines))

    def wait_for_all(self, text: str) -> None:
        """Until every worker has said it."""
        for _ in range(WORKERS):
            self.wait_for(text)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal our own process and wait for its end."""
        assert self.process is not None
        if number == signal.SIGKILL:
            kill_with_workers(self.process)
        else:
            self.process.send_signal(number)
        code = self.process.wait(30)
        if self.process.stderr:
            self.lines += self.process.stderr.readlines()
            self.process.stderr.close()
        self.process = None
        return code

    def client(self) -> "Client":
        return Client(self.folder / "lmtp")


class Client:
    """Replies one by one."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")
        assert self.reply().startswith("220")
        assert self.say(b"LHLO test\r\n").startswith("250")

    def reply(self) -> str:
        while True:
            line = self.file.readline().decode()
            if line[3:4] != "-":
                return line.rstrip()

    def say(self, octets: bytes) -> str:
        self.socket.sendall(octets)
        return self.reply()

    def send(
        self, ident: str, recipients: list[str], content: bytes, sender: str = "s@x.example"
    ) -> list[str]:
        """One transaction; replies to each RCPT, and then those to the message."""
        lines = [f"XFORWARD IDENT={ident}\r\n"] if ident else []
        lines += [f"MAIL FROM:<{sender}>\r\n", *(f"RCPT TO:<{name}>\r\n" for name in recipients)]
        self.socket.sendall("".join(lines).encode())
        replies = [self.reply() for _ in lines][len(lines) - len(recipients) :]
        good = sum(reply.startswith("250") for reply in replies)
        if not good:
            self.say(b"RSET\r\n")
            return replies
        assert self.say(b"DATA\r\n").startswith("354")
        self.socket.sendall(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return replies + [self.reply() for _ in range(good)]

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def mda(tmp_path: Path) -> Iterator[Mda]:
    running = Mda(tmp_path, COMPANY)
    running.start()
    yield running
    if running.process:
        assert running.end() == 0
    assert not [line for line in running.lines if "internal error" in line or "Traceback" in line]


@pytest.fixture
def client(mda: Mda) -> Iterator[Client]:
    opened = mda.client()
    yield opened
    opened.close()
