"""X34: passwords and texts that must never be found anywhere but where they belong, and floods that fill no log."""

import base64
import os
import smtplib
import socket
import subprocess
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ..agents import AGENTS
from ..clients import context, imap, message, pop3, received, smtp, submit
from ..conftest import Sandbox
from ..raw import GREETED, SERVICES, connect, say

DOMAIN, ADA, BOB = "alpha.example", "ada@alpha.example", "bob@alpha.example"
PASSWORD, WRONG, TEXT = "canary-of-the-password", "canary-of-a-guess", "canary-of-the-text"


@pytest.fixture(scope="module")
def site(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    arguments = ["--user", f"{ADA}:{PASSWORD}", "--user", f"{BOB}:{PASSWORD}", "--set", "*.log_level=debug"]
    return start_sandbox(*arguments, "--set", "auth.failure_delay=0", "--set", "auth.failure_delay_maximum=0")


def forms(secret: str) -> list[bytes]:
    """The secret as it is and as SASL carries it, at each of the three places in base64."""
    octets = secret.encode()
    found = [octets]
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + octets).rstrip(b"=")
        found.append(coded[(0, 2, 3)[before] : len(coded) - 2])
    return found


def places(site: Sandbox, *leave: str) -> dict[Path, bytes]:
    """Every file of the domain but those that hold the thing by right; some come and go."""
    found = {}
    for path in site.folder(DOMAIN).rglob("*"):
        if path.is_file() and not path.is_symlink() and not any(word in str(path) for word in leave):
            with suppress(FileNotFoundError):
                found[path] = path.read_bytes()
    return found


def log_in_everywhere(site: Sandbox, password: str) -> None:
    plain = base64.b64encode(f"\0{ADA}\0{password}".encode())
    for service in SERVICES:
        made = connect(site, DOMAIN, service)
        with suppress(OSError):
            if service in GREETED:  # in clear: refused, and still not repeated anywhere
                say(
                    made,
                    b"EHLO a.example",
                    b"AUTH PLAIN " + plain,
                    b"a LOGIN ada@alpha.example " + password.encode(),
                )
            else:
                say(made, b"EHLO a.example", b"a AUTHENTICATE PLAIN " + plain)
                say(made, b"AUTH PLAIN " + plain)
                say(made, b"PASS " + password.encode())
        made.close()
    for attempt in (
        lambda: imap(site, ADA).logout() if password == PASSWORD else _imap(site, password),
        lambda: pop3(site, ADA).quit() if password == PASSWORD else None,
    ):
        attempt()
    with smtp(site, DOMAIN, "submissions") as client, suppress(smtplib.SMTPAuthenticationError):
        client.login(ADA, password)


def _imap(site: Sandbox, password: str) -> None:
    secured = context(site, DOMAIN).wrap_socket(socket.create_connection(site.port(DOMAIN, "imaps"), 20))
    with secured:
        secured.recv(4096)
        assert b"NO" in say(secured, f'a LOGIN {ADA} "{password}"'.encode())


def test_no_password_is_written_anywhere(site: Sandbox) -> None:
    for password in (PASSWORD, WRONG):
        log_in_everywhere(site, password)
    for path, octets in places(site).items():
        for secret in (PASSWORD, WRONG):
            for form in forms(secret):
                assert form not in octets, f"{form!r} in {path}"


def test_no_password_is_in_the_arguments_or_the_environment_of_an_agent(site: Sandbox) -> None:
    for agent in AGENTS:
        for pid in site.pids(DOMAIN, agent):
            assert PASSWORD.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    heard = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout
    assert WRONG.encode() not in heard


def test_no_text_of_a_message_is_in_a_log(site: Sandbox) -> None:
    subject = str(uuid.uuid4())
    text = message(ADA, BOB, subject=subject, text=TEXT)
    submit(site, ADA, BOB, subject=subject, octets=text)
    try:
        received(site, BOB, subject)
    except AssertionError:
        for agent in ("msa", "relay", "mda"):
            print(agent, site.log(DOMAIN, agent))
        raise
    with smtp(site, DOMAIN) as client, suppress(smtplib.SMTPException):
        client.sendmail("x@outside.example", [BOB], text)  # forged: refused with one line
    for path, octets in places(site, "accounts", "spool").items():
        assert TEXT.encode() not in octets, path


@pytest.mark.parametrize("service", SERVICES)
def test_floods_are_counted_not_told(site: Sandbox, service: str) -> None:
    """Failures by the hundred: at most twenty lines a second and the count, and none with control characters."""
    agent = {"smtp": "mta", "imap": "imap", "imaps": "imap", "pop3": "pop3", "pop3s": "pop3"}.get(
        service, "msa"
    )
    log = site.folder(DOMAIN) / "run" / f"{agent}.log"
    before, begun = len(log.read_text().splitlines()), os.times().elapsed
    for number in range(400):
        with suppress(OSError), socket.create_connection(site.port(DOMAIN, service), 10) as made:
            made.sendall(b"\x16\x03\x01\x00\x02\x1b[2J\n\rfake line\n" + b"%d\r\n" % number)
            made.shutdown(socket.SHUT_WR)
            while made.recv(4096):
                pass
    seconds = os.times().elapsed - begun
    said = log.read_text().splitlines()[before:]
    assert len(said) <= 25 * (seconds + 2), f"{len(said)} lines in {seconds:.1f} s"
    assert "Traceback" not in "\n".join(said)
    assert all(line.isprintable() for line in said)
    assert not any(line.startswith("fake line") for line in said)


@pytest.mark.parametrize("before", range(6))
def test_secrets_are_found_in_base64(before: int) -> None:
    coded = base64.b64encode(b"\0" * before + PASSWORD.encode() + b"\0behind")
    assert any(form in coded for form in forms(PASSWORD))
