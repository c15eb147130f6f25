"""Mail clients for tests and for the demo: they submit, read and wait, by the standard library's protocols.

They work on a Site: the sandbox on loopback, or the hosts of the demo.
"""

import email.message
import imaplib
import poplib
import smtplib
import ssl
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
SECONDS = 60.0  # in which what has to happen does, also on a machine with much else to do
TEXT = "The text of it.\n..with dots\n.\nand the end\n"


class Site(Protocol):
    """Where domains are reached. `ca` is a PEM file."""

    ca: str

    def port(self, domain: str, service: str) -> tuple[str, int]:
        """Address and port of smtp, submission, submissions, imap, imaps, pop3, pop3s."""

    def password(self, address: str) -> str:
        """A person's password."""


class _NamedContext(ssl.SSLContext):
    """Demands one name of the server, whatever address was connected to."""

    name = ""

    def wrap_socket(self, sock: Any, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        options["server_hostname"] = self.name
        return super().wrap_socket(sock, *arguments, **options)


def context(site: Site, domain: str) -> ssl.SSLContext:
    """Trusts the site's CA alone, and wants the domain's mail host."""
    made = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(site.ca)
    made.name = f"mail.{domain}"
    return made


def domain_of(address: str) -> str:
    """What stands behind the @."""
    return address.rpartition("@")[2]


def wait_for(what: Callable[[], T], seconds: float = SECONDS) -> T:
    """The first truthy value of `what()`; an AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not happen within {seconds:.0f} s")
        time.sleep(0.1)


def message(sender: str, *recipients: str, subject: str, text: str = TEXT) -> bytes:
    """A small message in CR LF form."""
    made = email.message.EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, ", ".join(recipients), subject
    made.set_content(text)
    return made.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def smtp(site: Site, domain: str, service: str = "smtp", seconds: float = SECONDS) -> smtplib.SMTP:
    """A connection, under TLS except on `smtp`; greeted."""
    host, port = site.port(domain, service)
    if service == "submissions":
        client: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=seconds, context=context(site, domain))
    else:
        client = smtplib.SMTP(host, port, timeout=seconds)
        if service == "submission":
            client.starttls(context=context(site, domain))
    client.ehlo("client.example")
    return client


def submit(
    site: Site, login: str, *recipients: str, subject: str, service: str = "submissions", octets: bytes = b""
) -> None:
    """Send a message as a login through its msa."""
    with smtp(site, domain_of(login), service) as client:
        client.login(login, site.password(login))
        client.sendmail(login, recipients, octets or message(login, *recipients, subject=subject))


def imap(site: Site, address: str) -> imaplib.IMAP4:
    """A logged-in IMAP session over TLS."""
    domain = domain_of(address)
    client = imaplib.IMAP4_SSL(
        *site.port(domain, "imaps"), ssl_context=context(site, domain), timeout=SECONDS
    )
    client.login(address, site.password(address))
    return client


def pop3(site: Site, address: str) -> poplib.POP3:
    """A logged-in POP3 session over TLS."""
    domain = domain_of(address)
    client = poplib.POP3_SSL(*site.port(domain, "pop3s"), context=context(site, domain), timeout=SECONDS)
    client.user(address)
    client.pass_(site.password(address))
    return client


def read(site: Site, address: str, subject: str, mailbox: str = "INBOX") -> list[bytes]:
    """All messages in the mailbox whose subject has these words."""
    with imap(site, address) as client:
        client.select(mailbox, readonly=True)
        _, numbers = client.search(None, "SUBJECT", f'"{subject}"')
        found = []
        for number in numbers[0].split():
            _, data = client.fetch(number.decode(), "(BODY.PEEK[])")
            found.append(data[0][1])
        return found


def received(
    site: Site, address: str, subject: str, mailbox: str = "INBOX", seconds: float = SECONDS
) -> bytes:
    """The message once it has arrived; it must be there exactly once."""
    found = wait_for(lambda: read(site, address, subject, mailbox), seconds)
    assert len(found) == 1, f"{len(found)} copies"
    return found[0]


def seconds_until_news(site: Site, reader: str, send: Callable[[], None]) -> float:
    """How long after `send` has ended an idling client hears of a new message."""
    with imap(site, reader) as client:
        client.select("INBOX")
        tag = client._new_tag()
        client.send(tag + b" IDLE\r\n")
        assert client.readline().startswith(b"+")
        send()
        accepted = time.monotonic()
        while b"EXISTS" not in client.readline():
            pass
        seconds = time.monotonic() - accepted
        client.send(b"DONE\r\n")
        while not client.readline().startswith(tag):
            pass
        return seconds


def shortest_wait_for_news(
    site: Site, reader: str, send: Callable[[], None], goal: float, tries: int = 20
) -> float:
    """The best of some tries, none after one within the goal: a busy machine may hold up any of them."""
    best = float("inf")
    for _ in range(tries):
        best = min(best, seconds_until_news(site, reader, send))
        if best < goal:
            break
    return best


def field(octets: bytes, name: str) -> list[str]:
    """All values of a header field, unfolded."""
    head = octets.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    unfolded = head.replace("\r\n\t", " ").replace("\r\n ", " ").split("\r\n")
    wanted = name.lower() + ":"
    return [line[len(wanted) :].strip() for line in unfolded if line.lower().startswith(wanted)]
