"""R10: with a part dead, clients hear of temporary failures alone, nothing bounces, and all is well when it is back."""

import os
import signal
import smtplib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ..clients import imap, message, pop3, read, received, smtp, submit, wait_for
from ..conftest import Sandbox
from ..kill_agents import queued
from ..raw import connect, line, say

DOMAIN, ADA, BOB, EVE = "alpha.example", "ada@alpha.example", "bob@alpha.example", "eve@beta.example"
OUTSIDE = "someone@outside.example"
PATIENCE = 60.0  # seconds in which a client hears something
LOGINS = {
    "submissions": b"AUTH PLAIN AGFkYUBhbHBoYS5leGFtcGxlAHg=",
    "imaps": b'a LOGIN ada@alpha.example "secret of ada"',
    "pop3s": b"PASS secret of ada",
}
BACK = 30.0  # seconds in which everything works again


@pytest.fixture(scope="module")
def site(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    people = [
        part for address in (ADA, BOB, EVE) for part in ("--user", f"{address}:secret of {address[:3]}")
    ]
    return start_sandbox(
        *people, "--set", "relay.retry_minimum=1", "--set", "relay.retry_maximum=2", "--set", "relay.reply_timeout=3",
        "--set", "relay.connect_timeout=3",
    )  # fmt: skip


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """An agent that is there and does nothing: its sockets take connections and never answer."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def subject() -> str:
    return str(uuid.uuid4())


def name_server(site: Sandbox) -> int:
    return int((site.folder(DOMAIN).parent / "dns.pid").read_text())


def nobody_was_told_of_failure(site: Sandbox) -> None:
    assert read(site, ADA, "not delivered") == []
    assert read(site, ADA, "delayed") == []


def test_without_the_auth_agent_logins_are_told_to_come_back(site: Sandbox, subject: str) -> None:
    with stopped(site.pids(DOMAIN, "auth")):
        clients = {name: connect(site, DOMAIN, name, PATIENCE) for name in ("submissions", "imaps", "pop3s")}
        say(clients["submissions"], b"EHLO client.example")
        say(clients["pop3s"], b"USER ada@alpha.example")
        for name, line_of_login in LOGINS.items():
            clients[name].sendall(line_of_login + b"\r\n")
        assert line(clients["submissions"]).startswith(b"454 4.7.0")  # RFC 4954 section 6
        assert line(clients["imaps"]).startswith(b"a NO [UNAVAILABLE]")
        assert line(clients["pop3s"]).startswith(b"-ERR [SYS/TEMP]")
        for connection in clients.values():
            connection.close()
        with smtp(site, DOMAIN) as client:  # mail from outside goes on
            client.sendmail(OUTSIDE, [BOB], message(OUTSIDE, BOB, subject=subject))
    wait_for(lambda: _logs_in(site), BACK)
    received(site, BOB, subject, seconds=BACK)
    pop3(site, ADA).quit()


def _logs_in(site: Sandbox) -> bool:
    try:
        imap(site, ADA).logout()
    except Exception:
        return False
    return True


def test_without_dns_strangers_are_told_to_come_back_and_mail_waits(site: Sandbox, subject: str) -> None:
    with stopped([name_server(site)]):
        with smtp(site, DOMAIN) as client, pytest.raises(smtplib.SMTPDataError) as refused:
            client.timeout = 60
            client.sendmail("x@unasked.example", [BOB], message("x@unasked.example", BOB, subject=subject))
        assert 400 <= refused.value.smtp_code < 500
        submit(site, ADA, BOB, subject=subject + " near")
        received(site, BOB, subject + " near", seconds=BACK)
        submit(site, EVE, ADA, subject=subject + " far")
        wait_for(lambda: queued(site, "beta.example") == 1)
    received(site, ADA, subject + " far", seconds=BACK + 30)
    nobody_was_told_of_failure(site)


def test_without_the_mda_mail_waits(site: Sandbox, subject: str) -> None:
    with stopped(site.pids(DOMAIN, "mda")):
        for number in range(5):
            submit(site, ADA, BOB, subject=f"{subject} {number}")
        assert queued(site, DOMAIN) == 5
    for number in range(5):
        received(site, BOB, f"{subject} {number}", seconds=BACK)
    wait_for(lambda: queued(site, DOMAIN) == 0)
    nobody_was_told_of_failure(site)


def test_without_the_relay_mail_is_taken_and_waits(site: Sandbox, subject: str) -> None:
    with stopped(site.pids(DOMAIN, "relay")):
        submit(site, ADA, BOB, subject=subject)
        submit(site, ADA, EVE, subject=subject)
        assert queued(site, DOMAIN) == 2
    received(site, BOB, subject, seconds=BACK)
    received(site, EVE, subject, seconds=BACK)


def test_without_the_other_company_mail_waits(site: Sandbox, subject: str) -> None:
    with stopped(site.pids("beta.example", "mta")):
        submit(site, ADA, EVE, subject=subject)
        wait_for(lambda: "deferred" in site.log(DOMAIN, "relay") or "4.4" in site.log(DOMAIN, "relay"), 30)
        assert queued(site, DOMAIN) == 1
    received(site, EVE, subject, seconds=BACK)
    nobody_was_told_of_failure(site)


def test_without_a_directory_recipients_are_told_to_come_back(site: Sandbox, subject: str) -> None:
    path = site.folder(DOMAIN) / "var" / "directory.db"
    kept = path.with_name("kept.db")
    before = site.pid(DOMAIN, "mta")
    path.rename(kept)
    try:
        wait_for(lambda: _rcpt(site)[0] == 451)
    finally:
        kept.rename(path)
    wait_for(lambda: _rcpt(site)[0] == 250, BACK)
    assert site.pid(DOMAIN, "mta") == before


def _rcpt(site: Sandbox) -> tuple[int, bytes]:
    with smtp(site, DOMAIN) as client:
        client.mail(OUTSIDE)
        return client.rcpt(BOB)
