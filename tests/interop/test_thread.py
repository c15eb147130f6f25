"""One message from client to client, through every agent of two domains, by real programs."""

import email.message
import imaplib
import poplib
import smtplib
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable

import pytest

ALPHA, BETA = "alpha.example", "beta.example"
SECONDS = 20.0


def wait_for(what: Callable[[], object], seconds: float = SECONDS) -> object:
    """The first truthy value of `what()`; fails after a time."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def context(sandbox) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=sandbox.ca)


def message(sender: str, *recipients: str, subject: str) -> email.message.EmailMessage:
    made = email.message.EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, ", ".join(recipients), subject
    made.set_content("The text of it.\n..with dots\n.\nand the end\n")
    return made


def submit(sandbox, sender: str, *recipients: str, subject: str, service: str = "submissions") -> None:
    domain = sender.partition("@")[2]
    host, port = sandbox.port(domain, service)
    if service == "submissions":
        client = smtplib.SMTP_SSL(host, port, context=context(sandbox))
    else:
        client = smtplib.SMTP(host, port)
        client.starttls(context=context(sandbox))
    with client:
        client.login(sender, f"secret of {sender[:3]}")
        client.send_message(message(sender, *recipients, subject=subject), sender, recipients)


def imap(sandbox, address: str) -> imaplib.IMAP4:
    client = imaplib.IMAP4_SSL(
        *sandbox.port(address.partition("@")[2], "imaps"), ssl_context=context(sandbox)
    )
    client.login(address, f"secret of {address[:3]}")
    return client


def found(sandbox, address: str, subject: str, mailbox: str = "INBOX") -> bytes:
    with imap(sandbox, address) as client:
        client.select(mailbox)
        _, numbers = client.search(None, "SUBJECT", f'"{subject}"')
        if not numbers[0]:
            return b""
        _, data = client.fetch(numbers[0].split()[-1].decode(), "(BODY.PEEK[])")
        return data[0][1]


@pytest.mark.parametrize("service", ["submission", "submissions"])
@pytest.mark.parametrize(
    ("sender", "reader"),
    [("ada@alpha.example", "eve@beta.example"), ("eve@beta.example", "ada@alpha.example")],
)
def test_a_message_crosses_between_the_companies(sandbox, sender: str, reader: str, service: str) -> None:
    subject = f"crossing {uuid.uuid4()}"
    submit(sandbox, sender, reader, subject=subject, service=service)
    octets = wait_for(lambda: found(sandbox, reader, subject))
    home, away = reader.partition("@")[2], sender.partition("@")[2]
    head = octets.partition(b"\r\n\r\n")[0].replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ").decode()
    assert f"Return-Path: <{sender}>" in head
    assert f"Delivered-To: {reader}" in head
    results = next(line for line in head.split("\r\n") if line.startswith("Authentication-Results:"))
    assert f"mail.{home}" in results
    assert "spf=pass" in results
    assert results.count("dkim=pass") == 2
    assert "dmarc=pass" in results
    assert f"header.d={away}" in results or f"header.i=@{away}" in results
    assert "TLS" in head
    assert octets.endswith(b"..with dots\r\n.\r\nand the end\r\n")


def test_local_mail_stays_at_home(sandbox) -> None:
    subject = f"local {uuid.uuid4()}"
    submit(sandbox, "ada@alpha.example", "bob@alpha.example", subject=subject)
    assert wait_for(lambda: found(sandbox, "bob@alpha.example", subject))


def test_a_message_is_read_by_pop3(sandbox) -> None:
    subject = f"pop {uuid.uuid4()}"
    submit(sandbox, "ada@alpha.example", "dan@beta.example", subject=subject)
    wait_for(lambda: found(sandbox, "dan@beta.example", subject))
    client = poplib.POP3_SSL(*sandbox.port(BETA, "pop3s"), context=context(sandbox))
    client.user("dan@beta.example")
    client.pass_("secret of dan")
    count, _ = client.stat()
    assert any(subject.encode() in b"\n".join(client.retr(number)[1]) for number in range(1, count + 1))
    client.quit()


def test_unknown_recipients_abroad_come_back_as_bounces(sandbox) -> None:
    subject = f"bounce {uuid.uuid4()}"
    submit(sandbox, "ada@alpha.example", "nobody@beta.example", subject=subject)
    octets = wait_for(lambda: found(sandbox, "ada@alpha.example", "Undeliver"))
    assert b"nobody@beta.example" in octets
    assert b"multipart/report" in octets
    assert b"5.1.1" in octets


def test_forged_mail_is_refused(sandbox) -> None:
    host, port = sandbox.port(BETA, "smtp")
    with smtplib.SMTP(host, port) as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail(
            "x@unknown.example",
            ["eve@beta.example"],
            message("ada@alpha.example", "eve@beta.example", subject="forged").as_bytes(),
        )
    assert refused.value.smtp_code == 550


def test_relaying_is_refused(sandbox) -> None:
    with smtplib.SMTP(*sandbox.port(BETA, "smtp")) as client:
        client.ehlo()
        client.mail("x@unknown.example")
        assert client.rcpt("someone@elsewhere.example")[0] == 550


def test_new_mail_reaches_an_idling_client_within_a_second(sandbox) -> None:
    subject = f"idle {uuid.uuid4()}"
    with imap(sandbox, "bob@alpha.example") as client:
        client.select("INBOX")
        tag = client._new_tag()
        client.send(tag + b" IDLE\r\n")
        assert client.readline().startswith(b"+")
        started = time.monotonic()
        submit(sandbox, "ada@alpha.example", "bob@alpha.example", subject=subject)
        while b"EXISTS" not in client.readline():
            pass
        assert time.monotonic() - started < 2.0
        client.send(b"DONE\r\n")
        while not client.readline().startswith(tag):
            pass


def test_curl_sends_and_reads(sandbox, tmp_path) -> None:
    subject = f"curl {uuid.uuid4()}"
    path = tmp_path / "mail.eml"
    path.write_bytes(
        message("ada@alpha.example", "eve@beta.example", subject=subject).as_bytes().replace(b"\n", b"\r\n")
    )
    common = ["curl", "--silent", "--show-error", "--max-time", "20", "--cacert", sandbox.ca]
    host, port = sandbox.port(ALPHA, "submissions")
    subprocess.run(
        [
            *common,
            "--user",
            "ada@alpha.example:secret of ada",
            "--mail-from",
            "ada@alpha.example",
            "--mail-rcpt",
            "eve@beta.example",
        ]
        + ["--upload-file", str(path), f"smtps://{host}:{port}"],
        check=True,
    )
    wait_for(lambda: found(sandbox, "eve@beta.example", subject))
    host, port = sandbox.port(BETA, "imaps")
    heard = subprocess.run(
        [
            *common,
            "--user",
            "eve@beta.example:secret of eve",
            f"imaps://{host}:{port}/INBOX?SUBJECT%20{subject.split()[1]}",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "SEARCH" in heard.stdout
