"""Delivery status notifications: what happened to a message, for people first and for programs second.

RFC 3464 (message/delivery-status), RFC 6522 (multipart/report), RFC 3461 section 6, RFC 3834 section 3. Room rule: what
others wrote (their replies, their headers) is quoted here, never parsed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from postroom.mail.headertext import cleaned, field
from postroom.mail.seven_bit import quoted_printable

MOST_QUOTED: Final = 50_000  # octets of the message that are returned

_XCHAR: Final = re.compile(r"\+([0-9A-F]{2})")
_ALONE: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_LONGEST_WORD: Final = re.compile(r"[^ \t]{201,}")


class Action(Enum):
    """What the notification reports."""

    FAILED = "failed"
    DELAYED = "delayed"


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """One recipient. `status` is an enhanced code (RFC 3463).

    `reply` is what `host` said, including its code; with "" for the host it is our own text. `note` is what we add.
    """

    address: str
    status: str
    reply: str
    host: str = ""
    original: str = ""  # the address that the sender gave, if it differs
    orcpt: str = ""  # RFC 3461, xtext
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The content of a notification. Dates are in RFC 5322 form."""

    action: Action
    reporter: str  # our host name
    recipients: tuple[ReportedRecipient, ...]
    queue_id: str
    arrived: str
    envid: str = ""  # RFC 3461, xtext
    message_id: str = ""  # of the reported message
    retry_until: str = ""  # for Action.DELAYED
    preface: str = ""  # a paragraph for a reader other than the sender


@dataclass(frozen=True, slots=True)
class Covering:
    """The notification's own envelope data. `fields` are further complete header fields."""

    to: str
    date: str
    message_id: str
    boundary: str
    fields: tuple[bytes, ...] = ()


def notification(report: Report, covering: Covering, head: bytes, body: bytes | None) -> tuple[bytes, bytes]:
    """Return the header block (with its empty line) and the body of the notification.

    `head` and `body` belong to the reported message; with `body` None only its header is returned. A message of more
    than 50,000 octets is not returned in full. Raises UnsafeText for an unusable address.
    """
    kind, quoted = _quoted(head, body)
    boundary = _unique(covering.boundary, quoted)
    parts = (
        (b"Content-Type: text/plain; charset=us-ascii\r\n", _for_people(report, covering)),
        (b"Content-Type: message/delivery-status\r\n", b"\r\n".join(_for_programs(report))),
        (kind, quoted),
    )
    line = b"--" + boundary.encode("ascii")
    text = b"".join(line + b"\r\n" + fields + b"\r\n" + content + b"\r\n" for fields, content in parts)
    own = b"".join(_covering_fields(report, covering, boundary, eight_bit=not quoted.isascii()))
    return own + b"\r\n", text + line + b"--\r\n"


def eight_bit(body: bytes) -> bool:
    """Return whether a notification needs 8BITMIME (RFC 6152)."""
    return not body.isascii()


def _covering_fields(
    report: Report, covering: Covering, boundary: str, *, eight_bit: bool
) -> Iterator[bytes]:
    failed = report.action is Action.FAILED
    yield from covering.fields
    yield field("From", f"Mail delivery at {report.reporter} <mailer-daemon@{report.reporter}>")
    yield field("To", f"<{covering.to}>")
    yield field("Subject", "Your message was not delivered" if failed else "Your message is delayed")
    yield field("Date", covering.date)
    yield field("Message-ID", covering.message_id)
    if report.message_id and len(report.message_id) < 900:
        yield field("References", cleaned(report.message_id, limit=900))
    yield field("Auto-Submitted", "auto-replied")
    yield field("MIME-Version", "1.0")
    yield field("Content-Type", f'multipart/report; report-type=delivery-status; boundary="{boundary}"')
    if eight_bit:
        yield field("Content-Transfer-Encoding", "8bit")


def _for_people(report: Report, covering: Covering) -> bytes:
    paragraphs = [report.preface] if report.preface else []
    if report.action is Action.FAILED:
        paragraphs.append("Your message could not be delivered to:")
    else:
        paragraphs.append("Your message has not been delivered yet to:")
    paragraphs += [_about(recipient) for recipient in report.recipients]
    if report.action is Action.DELAYED:
        until = f" until {report.retry_until}" if report.retry_until else ""
        paragraphs.append(f"It stays in the queue and is tried again{until}.\r\nYou need not send it again.")
    else:
        paragraphs.append(
            "It will not be tried again. What was said is above; your message, or its\r\n"
            "beginning, is attached."
        )
    paragraphs.append(
        f"If you need help, write to postmaster@{report.reporter}\r\nand name the queue id {report.queue_id}."
    )
    return ("\r\n\r\n".join(paragraphs) + "\r\n").encode("ascii", "replace")


def _about(recipient: ReportedRecipient) -> str:
    known = recipient.original and recipient.original.lower() != recipient.address.lower()
    behind = f" (behind {_safe(recipient.original)})" if known else ""
    who = f"{_safe(recipient.host)} said: " if recipient.host else ""
    note = f" ({recipient.note})" if recipient.note else ""
    words = _wrapped(who + _safe(recipient.reply) + note)
    return f"  {_safe(recipient.address)}{behind}\r\n" + "\r\n".join(words)


def _wrapped(text: str) -> Iterator[str]:
    line = "   "
    for word in text.split():
        if len(line) + 1 + len(word) > 76 and line.strip():
            yield line
            line = "   "
        line += f" {word}"
    yield line


def _for_programs(report: Report) -> Iterator[bytes]:
    yield b"".join(_message_fields(report))
    for recipient in report.recipients:
        yield b"".join(_recipient_fields(report, recipient))


def _message_fields(report: Report) -> Iterator[bytes]:
    if report.envid:
        yield field("Original-Envelope-Id", _decoded(report.envid))
    yield field("Reporting-MTA", f"dns; {report.reporter}")
    yield field("X-Postroom-Queue-Id", report.queue_id)
    yield field("Arrival-Date", report.arrived)


def _recipient_fields(report: Report, recipient: ReportedRecipient) -> Iterator[bytes]:
    if recipient.orcpt:  # without it the field must not be present (RFC 3461 section 6.3)
        yield field("Original-Recipient", _original(recipient.orcpt))
    yield field("Final-Recipient", f"rfc822; {_safe(recipient.address)}")
    yield field("Action", report.action.value)
    yield field("Status", recipient.status)
    # the code is for a server's reply, and Remote-MTA names that server (RFC 3464 section 2.3.6)
    if recipient.host:
        yield field("Remote-MTA", f"dns; {_safe(recipient.host)}")
        yield field("Diagnostic-Code", f"smtp; {_safe(recipient.reply)}")
    if report.action is Action.DELAYED and report.retry_until:
        yield field("Will-Retry-Until", report.retry_until)


def _original(orcpt: str) -> str:
    kind, _, address = orcpt.partition(";")
    return f"{_safe(kind)}; {_decoded(address)}"


def _decoded(xtext: str) -> str:
    """Decode xtext for display. RFC 3461 section 4."""
    return _safe(_XCHAR.sub(lambda found: chr(int(found[1], 16)), xtext))


def _safe(text: str) -> str:
    """Return foreign text on one line, in ASCII, with words short enough for a line."""
    return _LONGEST_WORD.sub(lambda found: found[0][:200] + "...", cleaned(text, limit=1000))


def _quoted(head: bytes, body: bytes | None) -> tuple[bytes, bytes]:
    """Return the part with the reported message or its header, including the part's own fields.

    If the message's header has octets above 127, only the header is returned, encoded, so that any server accepts it
    (RFC 6522 section 3). A body with such octets stays as it is for servers with 8BITMIME; for others the relay
    converts the notification.
    """
    whole = body is not None and len(head) + len(body) <= MOST_QUOTED and head.isascii()
    content = _clean(head + body if whole and body is not None else head[:MOST_QUOTED])
    if not whole and len(head) > MOST_QUOTED:
        content = content[: content.rfind(b"\r\n") + 2]  # never cut inside a field
    if whole:
        encoding = b"" if content.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
        return b"Content-Type: message/rfc822\r\n" + encoding, content
    if content.isascii():
        return b"Content-Type: text/rfc822-headers\r\n", content
    kind = b"Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    return kind, quoted_printable(content)


def _clean(octets: bytes) -> bytes:
    """Replace what SMTP cannot carry: NUL, and line ends other than CR LF."""
    if b"\0" in octets:
        octets = octets.replace(b"\0", b"")
    return _ALONE.sub(b"\r\n", octets)


def _unique(boundary: str, *contents: bytes) -> str:
    """Return a boundary that no content contains, so that the message's author cannot end the part that quotes it."""
    number, found = 0, boundary
    while any(b"--" + found.encode("ascii") in content for content in contents):
        number += 1
        found = f"{boundary}.{number}"
    return found
