"""Notifications, read back by the standard library: ours is the writing only."""

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.dsn import MOST_QUOTED, Action, Covering, Report, ReportedRecipient, notification
from postroom.mail.headertext import UnsafeText
from postroom.mail.seven_bit import seven_bit

DATE = "Mon, 23 Nov 2026 04:00:00 +0000"
COVERING = Covering("ada@a.example", DATE, "<1@mail.b.example>", "report.1")
BOB = ReportedRecipient(
    "bob@c.example",
    "5.1.1",
    "550 5.1.1 no such user",
    "mx.c.example",
    "list@b.example",
    "rfc822;list+2Bx@b.example",
)
HEAD = b"From: <ada@a.example>\r\nSubject: hello\r\n\r\n"


def report(*recipients: ReportedRecipient, action: Action = Action.FAILED) -> Report:
    return Report(
        action, "mail.b.example", recipients or (BOB,), "0abc", DATE, "env+2Bid", "<m@a.example>", DATE
    )


def read(head: bytes, body: bytes) -> EmailMessage:
    return cast(EmailMessage, email.message_from_bytes(head + body, policy=email.policy.default))


def test_a_bounce_says_who_why_and_what() -> None:
    message = read(*notification(report(), COVERING, HEAD, b"text\r\n"))
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["To"] == "ada@a.example"
    assert message["Auto-Submitted"] == "auto-replied"
    people, programs, original = message.iter_parts()
    assert "bob@c.example" in people.get_content()
    assert "no such user" in people.get_content()
    about_message, about_bob = programs.get_payload()
    assert about_message["Reporting-MTA"] == "dns; mail.b.example"
    assert about_message["Original-Envelope-Id"] == "env+id"
    assert dict(about_bob.items()) == {
        "Original-Recipient": "rfc822; list+x@b.example",
        "Final-Recipient": "rfc822; bob@c.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.c.example",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user",
    }
    assert original.get_content_type() == "message/rfc822"
    assert original.get_payload()[0]["Subject"] == "hello"


def test_a_warning_says_until_when() -> None:
    late = report(ReportedRecipient("bob@c.example", "4.4.1", "451 4.4.1 no answer"), action=Action.DELAYED)
    message = read(*notification(late, COVERING, HEAD, None))
    people, programs, original = message.iter_parts()
    assert "has not been delivered yet" in people.get_content()
    assert programs.get_payload()[1]["Action"] == "delayed"
    assert programs.get_payload()[1]["Will-Retry-Until"] == DATE
    assert "    451 4.4.1 no answer" in people.get_content()
    assert original.get_content_type() == "text/rfc822-headers"


def test_what_no_server_said_is_told_to_people_and_has_no_code() -> None:
    """RFC 3464 section 2.3.6: a code beside Remote-MTA is the remote's; without either, Status says what there is."""
    ours = report(ReportedRecipient("bob@c.example", "5.4.7", "connection timed out", note="given up"))
    people, programs, _ = read(*notification(ours, COVERING, HEAD, None)).iter_parts()
    assert "\r\n    connection timed out (given up)\r\n" in people.get_content()
    assert set(programs.get_payload()[1].keys()) == {"Final-Recipient", "Action", "Status"}


def test_what_we_add_does_not_become_the_servers_words() -> None:
    noted = report(replace(BOB, note="given up"))
    people, programs, _ = read(*notification(noted, COVERING, HEAD, None)).iter_parts()
    assert "mx.c.example said: 550 5.1.1 no such user (given up)" in people.get_content()
    assert programs.get_payload()[1]["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"


def test_without_orcpt_there_is_no_original_recipient() -> None:
    """RFC 3461 section 6.3 (d)."""
    alias = report(ReportedRecipient("bob@c.example", "5.1.1", "550 no", "mx.c.example", "list@b.example"))
    people, programs, _ = read(*notification(alias, COVERING, HEAD, None)).iter_parts()
    assert "behind list@b.example" in people.get_content()
    assert "Original-Recipient" not in programs.get_payload()[1]


@pytest.mark.parametrize("size", [MOST_QUOTED, 10 * MOST_QUOTED])
def test_only_the_header_of_a_large_message_is_sent_back(size: int) -> None:
    head, body = notification(report(), COVERING, HEAD, b"x" * size)
    assert list(read(head, body).iter_parts())[2].get_content_type() == "text/rfc822-headers"
    assert len(body) < MOST_QUOTED


def test_a_large_header_is_cut_between_lines() -> None:
    huge = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 500) for n in range(200)) + b"\r\n"
    _, body = notification(report(), COVERING, huge, b"")
    assert len(body) < MOST_QUOTED + 5000
    assert b"y" * 500 + b"\r\n\r\n--report.1--" in body


@pytest.mark.parametrize("body", [b"text\r\n", None])
def test_eight_bits_in_the_header_are_encoded(body: bytes | None) -> None:
    raw = b"From: <ada@a.example>\r\nSubject: Gr\xc3\xbc\xc3\x9fe = " + b"x" * 90 + b"\r\n\r\n"
    head, text = notification(report(), COVERING, raw, body)
    assert (head + text).isascii()
    original = list(read(head, text).iter_parts())[2]
    assert original.get_content_type() == "text/rfc822-headers"
    assert original.get_payload(decode=True).rstrip() == raw.rstrip()


def test_eight_bits_in_the_body_are_sent_back_as_they_were() -> None:
    head, text = notification(report(), COVERING, HEAD, b"Gr\xc3\xbc\xc3\x9fe\r\n")
    assert b"Content-Transfer-Encoding: 8bit\r\n" in head
    assert b"\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n" in text
    converted = seven_bit(head + text)
    people, programs, original = email.message_from_bytes(converted).get_payload()
    assert people.get_content_type() == "text/plain"
    assert programs.get_payload()[1]["Status"] == "5.1.1"
    assert original.get_payload()[0].get_payload(decode=True) == b"Gr\xc3\xbc\xc3\x9fe\r\n"


def test_a_boundary_that_the_message_holds_is_not_used() -> None:
    head, body = notification(report(), COVERING, HEAD, b"--report.1--\r\nforged\r\n--report.1.1\r\n")
    assert len(list(read(head, body).iter_parts())) == 3


def test_an_address_that_carries_a_field_is_refused() -> None:
    covering = Covering("a@b.example>\r\nBcc: <x@y.example", DATE, "<1@b.example>", "b")
    with pytest.raises(UnsafeText):
        notification(report(), covering, HEAD, None)


@given(st.binary(max_size=300), st.binary(max_size=300), st.text(max_size=200), st.text(max_size=60))
def test_hostile_content_and_replies_stay_inside(head: bytes, body: bytes, reply: str, address: str) -> None:
    hostile = ReportedRecipient(address, "5.0.0", reply, reply[:50], address, f"rfc822;{address}")
    own, text = notification(report(hostile), COVERING, head, body)
    whole = own + text
    assert b"\0" not in whole
    assert whole.count(b"\r\n") == whole.count(b"\r") == whole.count(b"\n")
    assert whole.count(b"\r\n--report.1") >= 3
    fields = own.split(b"\r\n\r\n")[0]
    assert b"Bcc" not in fields
    status = text.split(b"message/delivery-status\r\n\r\n")[1].split(b"\r\n--report.1")[0]
    assert status.isascii()
    assert status.lower().count(b"\r\naction:") == 1
