"""The client's side of SMTP and LMTP, without a server."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom.wire.smtp import client
from postroom.wire.smtp.client import (
    BadPath,
    Capabilities,
    Conversation,
    Outgoing,
    OutOfStep,
    Payload,
    SessionRefused,
    Transaction,
    stuffed,
)
from postroom.wire.smtp.data import DataScanner
from postroom.wire.smtp.replies import Reply

OK, NO, LATER, GO = Reply(250), Reply(550, "5.1.1"), Reply(451, "4.2.0"), Reply(354)
PIPELINING = Capabilities("mx", {"PIPELINING": "", "SIZE": "100", "8BITMIME": ""})
PLAIN = Capabilities("mx", {})
TWO = Outgoing("ada@a.example", (("bob@b.example", ""), ("eve@b.example", "")), size=50, eight_bit=True)


def converse(conversation: Conversation[object], *replies: Reply) -> list[bytes]:
    """Feed replies; what was sent before each of them. `<message>` stands for the message."""
    sent, waiting = [], list(replies)
    try:
        step = next(conversation)
        while True:
            sent.append(b"<message>" + step.behind if isinstance(step, Payload) else step.octets)
            step = conversation.send(waiting.pop(0))
    except StopIteration:
        assert not waiting
        return sent


def test_a_pipelined_envelope_goes_out_at_once() -> None:
    transaction = Transaction(PIPELINING, TWO)
    sent = converse(transaction.run(), OK, OK, NO, GO, OK)
    assert sent == [
        b"MAIL FROM:<ada@a.example> SIZE=50 BODY=8BITMIME\r\nRCPT TO:<bob@b.example>\r\n"
        b"RCPT TO:<eve@b.example>\r\nDATA\r\n",
        b"", b"", b"", b"<message>",
    ]  # fmt: skip
    assert transaction.replies == [OK, NO]
    assert transaction.reusable


def test_without_pipelining_a_refused_sender_ends_the_envelope() -> None:
    transaction = Transaction(PLAIN, TWO)
    assert converse(transaction.run(), NO, OK) == [b"MAIL FROM:<ada@a.example>\r\n", b"RSET\r\n"]
    assert transaction.replies == [NO, NO]
    assert not transaction.sent


def test_lmtp_gives_each_accepted_recipient_its_own_reply() -> None:
    transaction = Transaction(PIPELINING, TWO, lmtp=True)
    converse(transaction.run(), OK, OK, OK, GO, OK, LATER)
    assert transaction.replies == [OK, LATER]


def test_the_next_envelope_may_follow_the_message() -> None:
    first, second = Transaction(PIPELINING, TWO, lmtp=True), Transaction(PIPELINING, TWO, lmtp=True)
    sent = converse(first.run(behind=second.opening), OK, OK, OK, GO, OK, OK)
    assert sent[4] == b"<message>" + second.opening
    assert converse(second.run(opened=True), OK, OK, OK, GO, OK, OK)[:4] == [b"", b"", b"", b""]


def test_xforward_is_sent_only_where_it_is_offered() -> None:
    outgoing = Outgoing("", (("bob@b.example", ""),), ident="0abc")
    offering = Capabilities("mda", {"XFORWARD": "NAME IDENT"})
    transaction = Transaction(offering, outgoing, lmtp=True)
    assert converse(transaction.run(), OK, OK, OK, GO, OK)[:2] == [
        b"XFORWARD IDENT=0abc\r\n",
        b"MAIL FROM:<>\r\n",
    ]
    assert b"XFORWARD" not in Transaction(PIPELINING, outgoing).opening


def test_421_keeps_what_was_judged_before() -> None:
    transaction = Transaction(PIPELINING, TWO)
    with pytest.raises(SessionRefused):
        converse(transaction.run(), OK, NO, Reply(421))
    assert transaction.replies == [NO, None]


@pytest.mark.parametrize("replies", [(GO,), (OK, OK, OK, OK)])
def test_replies_out_of_step_end_the_conversation(replies: tuple[Reply, ...]) -> None:
    with pytest.raises(OutOfStep):
        converse(Transaction(PIPELINING, TWO).run(), *replies)


@pytest.mark.parametrize("verdict", [Reply(554, "5.5.1", "no valid recipients"), OK])
@pytest.mark.parametrize("refusals", [(OK, NO, NO), (OK, LATER, NO), (NO, NO, NO)])
def test_data_after_which_nobody_is_left_is_ended_by_one_dot(
    refusals: tuple[Reply, ...], verdict: Reply
) -> None:
    """RFC 2920 section 3.1: the server has agreed to a message, and waits for its end."""
    transaction = Transaction(PIPELINING, TWO)
    assert converse(transaction.run(), *refusals, GO, verdict)[-1] == b".\r\n"
    assert transaction.replies == list(refusals[1:])
    assert not transaction.sent
    assert transaction.reusable


def test_lmtp_has_no_reply_to_a_dot_for_nobody() -> None:
    with pytest.raises(OutOfStep):
        converse(Transaction(PIPELINING, TWO, lmtp=True).run(), OK, NO, NO, GO)


def test_helo_where_ehlo_is_unknown() -> None:
    assert converse(client.hello("a.example"), Reply(502), OK) == [
        b"EHLO a.example\r\n",
        b"HELO a.example\r\n",
    ]


@pytest.mark.parametrize(
    "address",
    ["a@b.example\r\nRCPT TO:<x@y.example>", "a b@c.example", "a>@b.example", "é@b.example", "@b.example", "a@",
     "x" * 600 + "@b.example", '"a\nb"@c.example'],
)  # fmt: skip
def test_no_address_can_carry_a_second_command(address: str) -> None:
    with pytest.raises(BadPath):
        client.path(address)


@pytest.mark.parametrize(
    "address", ["", "a+b@b.example", '"a b"@c.example', "SRS0=x=y=z=u@b.example", "a@[192.0.2.1]"]
)
def test_addresses_go_out_as_they_are(address: str) -> None:
    assert client.path(address) == b"<%s>" % address.encode()


def test_parameters_are_passed_on_only_when_well_formed() -> None:
    assert (
        client.recipient_wishes("NEVER", "rfc822;a+2Bb@c.example")
        == "NOTIFY=NEVER ORCPT=rfc822;a+2Bb@c.example"
    )
    assert not client.recipient_wishes("NEVER X", "rfc822;a b")


LINES = st.lists(st.sampled_from([b".", b"..", b"a", b"", b".a", b"\r\n", b"a.b"]), max_size=12).map(
    b"\r\n".join
)


@settings(max_examples=10_000)
@given(LINES, st.integers(1, 7))
def test_a_server_reads_back_exactly_what_was_stuffed(text: bytes, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    wire = b"".join(stuffed(pieces))
    assert wire.endswith(b".\r\n")
    scanner = DataScanner()
    read = scanner.feed(wire)
    assert scanner.finished
    assert scanner.flaw is None
    assert scanner.rest == b""  # nothing behind the end: one message is one message
    assert read == text + (b"" if text.endswith(b"\r\n") or not text else b"\r\n")
