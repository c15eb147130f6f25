"""One message from client to client, through every agent of two domains, by real programs."""

import os
import signal
import smtplib
import socket
import subprocess
import uuid
from functools import partial
from pathlib import Path

import pytest

from ..agents import AGENTS
from ..clients import (
    context,
    field,
    message,
    pop3,
    read,
    received,
    shortest_wait_for_news,
    smtp,
    submit,
    wait_for,
)
from ..conftest import Sandbox

ADA, BOB, EVE, DAN = "ada@alpha.example", "bob@alpha.example", "eve@beta.example", "dan@beta.example"
ALPHA, BETA = "alpha.example", "beta.example"


@pytest.fixture
def subject() -> str:
    """Words that no other message has."""
    return f"message {uuid.uuid4()}"


@pytest.mark.parametrize("service", ["submission", "submissions"])
@pytest.mark.parametrize(("sender", "reader"), [(ADA, EVE), (EVE, ADA)])
def test_a_message_crosses_between_the_companies(
    sandbox: Sandbox, subject: str, sender: str, reader: str, service: str
) -> None:
    submit(sandbox, sender, reader, subject=subject, service=service)
    octets = received(sandbox, reader, subject)
    assert field(octets, "Return-Path") == [f"<{sender}>"]
    assert field(octets, "Delivered-To") == [reader]
    (results,) = field(octets, "Authentication-Results")
    assert results.startswith(f"mail.{reader.partition('@')[2]};")
    assert "spf=pass" in results
    assert results.count("dkim=pass") == 2
    assert "dmarc=pass" in results
    assert "TLS" in " ".join(field(octets, "Received"))
    assert octets.endswith(b"..with dots\r\n.\r\nand the end\r\n")


def test_local_mail_stays_at_home(sandbox: Sandbox, subject: str) -> None:
    submit(sandbox, ADA, BOB, subject=subject)
    assert received(sandbox, BOB, subject)


def test_a_message_that_was_read_is_sent_again_to_the_same_mailbox(sandbox: Sandbox, subject: str) -> None:
    submit(sandbox, ADA, ADA, subject=subject)
    first = received(sandbox, ADA, subject)
    again = f"Resent-From: {ADA}\r\nResent-To: {ADA}\r\n".encode() + first
    submit(sandbox, ADA, ADA, subject=subject, octets=again)
    wait_for(lambda: len(read(sandbox, ADA, subject)) == 2)


def test_a_message_is_read_by_pop3(sandbox: Sandbox, subject: str) -> None:
    submit(sandbox, ADA, DAN, subject=subject)
    received(sandbox, DAN, subject)
    client = pop3(sandbox, DAN)
    count, _ = client.stat()
    texts = [b"\n".join(client.retr(number)[1]) for number in range(1, count + 1)]
    client.quit()
    assert any(subject.encode() in text for text in texts)


def test_unknown_recipients_abroad_come_back_as_bounces(sandbox: Sandbox, subject: str) -> None:
    unknown = f"{uuid.uuid4()}@beta.example"
    submit(sandbox, ADA, unknown, subject=subject)
    (octets,) = wait_for(
        lambda: [found for found in read(sandbox, ADA, "was not delivered") if unknown.encode() in found]
    )
    assert b"multipart/report" in octets
    assert b"5.1.1" in octets


def test_forged_mail_is_refused(sandbox: Sandbox, subject: str) -> None:
    with smtp(sandbox, BETA) as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail("x@unknown.example", [EVE], message(ADA, EVE, subject=subject))
    assert refused.value.smtp_code == 550


def test_relaying_is_refused(sandbox: Sandbox) -> None:
    with smtp(sandbox, BETA) as client:
        client.mail("x@unknown.example")
        assert client.rcpt("someone@elsewhere.example")[0] == 550


def test_new_mail_reaches_an_idling_client_within_a_second(sandbox: Sandbox, subject: str) -> None:
    sending = partial(submit, sandbox, ADA, BOB, subject=subject)
    assert shortest_wait_for_news(sandbox, BOB, sending, 1.0) < 1.0


def test_curl_sends_and_reads(sandbox: Sandbox, subject: str, tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(message(ADA, EVE, subject=subject))
    common = ["curl", "--silent", "--show-error", "--max-time", "60", "--cacert", sandbox.ca]
    _, port = sandbox.port(ALPHA, "submissions")
    sending = ["--user", f"{ADA}:{sandbox.password(ADA)}", "--mail-from", ADA, "--mail-rcpt", EVE]
    subprocess.run([*common, *sending, "--upload-file", str(path), f"smtps://localhost:{port}"], check=True)
    received(sandbox, EVE, subject)
    _, port = sandbox.port(BETA, "imaps")
    place = f"imaps://localhost:{port}/INBOX?SUBJECT%20{subject.split()[1]}"
    login = ["--user", f"{EVE}:{sandbox.password(EVE)}"]
    heard = subprocess.run([*common, *login, place], check=True, capture_output=True, text=True)
    assert "SEARCH" in heard.stdout


def test_every_listener_has_a_certificate_for_its_host(sandbox: Sandbox) -> None:
    for service in ("imaps", "pop3s", "submissions"):
        with (
            socket.create_connection(sandbox.port(ALPHA, service), 30) as plain,
            context(sandbox, ALPHA).wrap_socket(plain) as secured,
        ):
            assert secured.version() == "TLSv1.3"


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_that_is_killed_is_back(sandbox: Sandbox, subject: str, agent: str) -> None:
    pid = sandbox.pid(BETA, agent)
    for process in sandbox.pids(BETA, agent):
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: sandbox.pid(BETA, agent) != pid)
    submit(sandbox, ADA, EVE, subject=subject)
    assert received(sandbox, EVE, subject)
