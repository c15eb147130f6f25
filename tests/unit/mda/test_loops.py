"""X33: what a loop is, and what only looks like one. RFC 5321 sections 4.4 and 6.3."""

from contextlib import suppress

import pytest
from postroom.contracts.errors import MailLoop
from postroom.mail.address import Address
from postroom.mda.filing import demand_no_loop

HOST = "mail.beta.example"
BOB = Address("bob", "beta.example")
NOW = b"Received: from x ([192.0.2.1])\r\n\tby mail.beta.example (Postroom) with ESMTP id 2;\r\n\tMon, 23 Nov 2026\r\n"
OURS = NOW.replace(b"id 2", b"id 1")
SUBMITTED = b"Received: by Mail.Beta.Example (Postroom) with local id 1;\r\n\tMon, 23 Nov 2026\r\n"
NAMESAKE = b"Received: from y by mail.beta.example (Postfix) with ESMTP id 9; Sun, 22 Nov 2026\r\n"
OTHER = b"Received: from mail.beta.example (mail.beta.example [192.0.2.9]) by mx.old.example; Sun, 22 Nov 2026\r\n"
FETCHED = b"Received: from old.example [192.0.2.7]\r\n\tby mail.beta.example with IMAP (fetchmail-6.4.37)\r\n\tfor <bob@localhost> (single-drop); Mon, 23 Nov 2026\r\n"
FILED = b"Delivered-To: bob@beta.example\r\n"
REST = b"From: x@outside.example\r\nSubject: again\r\n"


@pytest.mark.parametrize(
    "trail",
    [
        (NOW, FILED),
        (FILED,),
        (NOW, FILED, OTHER),
        (NOW, OTHER, FILED, OTHER),
        (NOW, b"Authentication-Results: x; none\r\n", FILED, NAMESAKE),  # the old host had the same name
        (NOW, FILED, NAMESAKE, NAMESAKE),
        (NOW, b"Delivered-To: ada@beta.example\r\n", OURS),  # it was in another mailbox
        (NOW, b"X-Delivered-To: bob@beta.example\r\n", OURS),
        (NOW, FETCHED, FILED, OTHER),
        (NOW, FETCHED.replace(b"IMAP", b"POP3"), OTHER, FILED),
        (NOW, OURS),
        (NOW, NOW.replace(b"mail.beta", b"mail.beta.example.evil"), FILED),
    ],
)
def test_x33_what_this_host_has_not_handled_is_no_loop(trail: tuple[bytes, ...]) -> None:
    demand_no_loop(b"".join(trail) + REST, BOB, HOST)


@pytest.mark.parametrize(
    "trail",
    [
        (NOW, FILED, OURS),
        (NOW, OTHER, FILED, OURS),
        (NOW, OTHER, FILED, SUBMITTED),
        (NOW, OURS, FILED),
        (NOW, NAMESAKE, FILED),
        (NOW, OTHER, NAMESAKE, FILED, OTHER),
        (FILED, OURS),
        (NOW, FILED.upper(), OURS),
        (NOW, b"Delivered-To:\r\n bob@beta.example\r\n", OURS),
        (b"X-Postroom-Verdict: ham\r\n", NOW, FILED, OTHER, FILED, OURS),
    ],
)
def test_x33_what_this_host_has_handled_and_filed_is_a_loop(trail: tuple[bytes, ...]) -> None:
    with pytest.raises(MailLoop):
        demand_no_loop(b"".join(trail) + REST, BOB, HOST)


def test_x9_a_long_trail_has_an_answer() -> None:
    for field in (NOW, FILED, OTHER, b"Received: " + b"by " * 20 + b"\r\n"):
        with suppress(MailLoop):
            demand_no_loop(NOW + FILED + field * 5000, BOB, HOST)
