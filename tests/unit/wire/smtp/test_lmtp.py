"""LMTP without I/O: replies in order, state after failures, data in pieces, attacks on the end of data."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom.contracts import errors
from postroom.wire.smtp.lmtp import AskDelivery, AskRecipient, LmtpLimits, LmtpSession

LIMITS = LmtpLimits(message_bytes=1000, recipients=3, errors=5)


class Peer:
    """Feeds a session in pieces and answers its questions: `full` and `gone` are refused."""

    def __init__(self, size: int = 1 << 20) -> None:
        self.session = LmtpSession("mail.alpha.example", LIMITS)
        self.size = size
        self.heard = b""
        self.deliveries: list[AskDelivery] = []

    def say(self, octets: bytes) -> list[str]:
        """The replies to these octets, without the text behind the codes."""
        before = len(self.heard)
        for start in range(0, len(octets), self.size):
            self.session.feed(octets[start : start + self.size])
            self._answer()
        return [line[:9].decode() for line in self.heard[before:].split(b"\r\n") if line]

    def _answer(self) -> None:
        while question := self.session.next_question():
            if isinstance(question, AskRecipient):
                name = question.recipient.address.local
                if name == "gone":
                    self.session.refuse(errors.NoSuchRecipient())
                else:
                    self.session.accept(name)
            else:
                self.deliveries.append(question)
                full = errors.RecipientOverQuota()
                self.session.delivered([full if name == "full" else None for name in question.targets])
        self.heard += self.session.output()

    def greet(self) -> "Peer":
        self.say(b"LHLO relay\r\n")
        return self


ENVELOPE = b"MAIL FROM:<s@x.example>\r\nRCPT TO:<a@y.example>\r\n"
WHOLE = (
    b"XFORWARD IDENT=abc123\r\nMAIL FROM:<> SIZE=12 BODY=8BITMIME\r\nRCPT TO:<ada@x.example>\r\nRCPT TO:<gone@x.example>\r\n"
    b"RCPT TO:<full@x.example>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nNOOP\r\nQUIT\r\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_packet_borders_do_not_matter(size: int) -> None:
    peer = Peer(size).greet()
    codes = [line[:3] for line in peer.say(WHOLE)]
    assert codes == ["250", "250", "250", "550", "250", "354", "250", "452", "250", "221"]
    (asked,) = peer.deliveries
    assert (asked.ident, asked.targets, asked.mail.sender) == ("abc123", ("ada", "full"), None)
    assert asked.content == b"Subject: x\r\n\r\n.dot\r\n"
    assert peer.session.closed


def test_lhlo_says_what_there_is() -> None:
    peer = Peer()
    peer.say(b"LHLO relay\r\n")
    for word in (b"PIPELINING", b"ENHANCEDSTATUSCODES", b"8BITMIME", b"SIZE 1000", b"XFORWARD NAME ADDR"):
        assert word in peer.heard
    assert b"IDENT" in peer.heard


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"HELO x", "500 5.5.1"),
        (b"EHLO x", "500 5.5.1"),
        (b"LHLO", "501 5.5.4"),
        (b"MAIL FROM:<a@b>", "503 5.5.1"),
        (b"RCPT TO:<a@b>", "503 5.5.1"),
        (b"DATA", "503 5.5.1"),
        (b"XFORWARD IDENT=x", "503 5.5.1"),
        (b"NOOP", "250 2.0.0"),
        (b"RSET", "250 2.0.0"),
        (b"VRFY ada", "252 2.0.0"),
        (b"EXPN all", "502 5.5.1"),
        (b"\xff\xfe", "500 5.5.2"),
        (b"NOOP\0", "500 5.5.2"),
        (b"", "500 5.5.2"),
    ],
)
def test_before_lhlo(line: bytes, reply: str) -> None:
    assert Peer().say(line + b"\r\n")[-1] == reply


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"MAIL FROM:a@b", "250 2.1.0"),
        (b"MAIL FROM:<a..b@under_score.example.>", "250 2.1.0"),
        (b"MAIL FROM:<a@b", "501 5.1.7"),
        (b"MAIL FROM:<a@b> SIZE=1001", "552 5.3.4"),
        (b"MAIL FROM:<a@b> SIZE=x", "501 5.5.4"),
        (b"MAIL FROM:<a@b> SMTPUTF8", "555 5.5.4"),
        (b"DATA", "503 5.5.1"),
        (b"BDAT 5 LAST", "500 5.5.1"),
        (b"XFORWARD IDENT", "501 5.5.4"),
        (b"XFORWARD SECRET=x", "501 5.5.4"),
        (b"XFORWARD IDENT=a+0Ab", "501 5.5.4"),
        (b"XFORWARD IDENT=a+00b", "501 5.5.4"),
        (b"XFORWARD IDENT=a+09b", "501 5.5.4"),
        (b"XFORWARD IDENT=" + b"a" * 256, "501 5.5.4"),
        (b"XFORWARD NAME=[UNAVAILABLE] IDENT=x", "250 2.0.0"),
    ],
)
def test_after_lhlo(line: bytes, reply: str) -> None:
    peer = Peer().greet()
    assert peer.say(line + b"\r\n") == [reply]
    assert peer.say(b"NOOP\r\n") == ["250 2.0.0"]


def test_the_ident_ends_with_its_transaction() -> None:
    peer = Peer().greet()
    peer.say(b"XFORWARD IDENT=one\r\n" + ENVELOPE + b"DATA\r\nx\r\n.\r\n" + ENVELOPE + b"DATA\r\ny\r\n.\r\n")
    peer.say(b"XFORWARD IDENT=two\r\nRSET\r\n" + ENVELOPE + b"DATA\r\nz\r\n.\r\n")
    assert [asked.ident for asked in peer.deliveries] == ["one", "", ""]
    assert peer.say(ENVELOPE + b"XFORWARD IDENT=late\r\n")[-1] == "503 5.5.1"


def test_data_without_a_good_recipient() -> None:
    peer = Peer().greet()
    assert peer.say(b"MAIL FROM:<>\r\nRCPT TO:<gone@x>\r\nDATA\r\n") == [
        "250 2.1.0",
        "550 5.1.1",
        "503 5.5.1",
    ]
    assert peer.say(b"MAIL FROM:<>\r\n") == ["503 5.5.1"]
    assert peer.say(b"RSET\r\nRCPT TO:<a@b>\r\n") == ["250 2.0.0", "503 5.5.1"]


def test_more_recipients_than_allowed() -> None:
    peer = Peer().greet()
    replies = peer.say(b"MAIL FROM:<>\r\n" + b"RCPT TO:<a@x>\r\n" * 4 + b"DATA\r\nx\r\n.\r\n")
    assert [line[:3] for line in replies] == ["250", "250", "250", "250", "452", "354", "250", "250", "250"]


def test_a_message_that_is_too_large_is_read_to_its_end_and_refused_for_each() -> None:
    peer = Peer(100).greet()
    body = b"x" * 70 + b"\r\n"
    replies = peer.say(
        b"MAIL FROM:<>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n" + body * 2000 + b".\r\nNOOP\r\n"
    )
    assert replies[-3:] == ["552 5.3.4", "552 5.3.4", "250 2.0.0"]
    assert peer.deliveries == []


def test_too_many_errors_end_the_session() -> None:
    peer = Peer().greet()
    replies = peer.say(b"NONSENSE\r\n" * 50)
    assert replies == ["500 5.5.1"] * 5 + ["421 4.7.0"]
    assert peer.session.closed
    assert peer.say(b"NOOP\r\n") == []


def test_a_line_without_end_ends_the_session() -> None:
    peer = Peer(512).greet()
    assert peer.say(b"A" * 100_000) == ["500 5.5.2"]
    assert peer.session.closed
    assert len(peer.session._unread) == 0


def test_leaving_waits_for_the_message() -> None:
    idle = Peer().greet()
    idle.session.leave()
    assert idle.session.output().startswith(b"421 4.3.2")
    busy = Peer().greet()
    busy.say(ENVELOPE + b"DATA\r\nhalf")
    busy.session.leave()
    assert not busy.session.closed
    assert busy.say(b" done\r\n.\r\n") == ["250 2.0.0", "421 4.3.2"]
    assert busy.session.closed


ENDS = [
    before + b"." + after
    for before in (b"\r\n", b"\n", b"\r", b"\0", b"\r\n\0", b"\r\0\n", b"")
    for after in (b"\r\n", b"\n", b"\r", b"\0\r\n", b"\r\0\n", b"\0", b"\n\r", b"\r\r\n")
]


@pytest.mark.parametrize("end", [end for end in ENDS if end != b"\r\n.\r\n"])
@pytest.mark.parametrize("size", [1, 1000])
def test_x01_nothing_else_ends_a_message(end: bytes, size: int) -> None:
    """What follows a false end is text of the first message: one message, one answer, no second one."""
    peer = Peer(size).greet()
    smuggled = b"MAIL FROM:<evil@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nsmuggled\r\n"
    replies = peer.say(ENVELOPE + b"DATA\r\nfirst" + end + smuggled + b".\r\nNOOP\r\n")
    accepted = len(peer.deliveries)
    assert [line[:3] for line in replies[:3]] == ["250", "250", "354"]
    assert len(replies) == 5
    assert (replies[3][:3], accepted) in (("250", 1), ("554", 0))
    assert replies[4] == "250 2.0.0"
    if accepted:
        assert b"smuggled" in peer.deliveries[0].content


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([b"a", b".", b"\r\n", b"\r\n.", b"\r\n..", b"xyz", b"\xff"]), max_size=30).map(
        b"".join
    ),
    st.integers(1, 40),
)
def test_what_is_stuffed_comes_out_as_it_was(body: bytes, size: int) -> None:
    body += b"\r\n"
    stuffed = (b"." if body.startswith(b".") else b"") + body.replace(b"\r\n.", b"\r\n..")
    peer = Peer(size).greet()
    assert peer.say(ENVELOPE + b"DATA\r\n" + stuffed + b".\r\nQUIT\r\n")[-2:] == ["250 2.0.0", "221 2.0.0"]
    assert [asked.content for asked in peer.deliveries] == [body]


def test_x18_x23_garbage_never_raises() -> None:
    noise = random.Random(7)
    words = [
        b"LHLO x\r\n",
        ENVELOPE,
        b"DATA\r\n",
        b"\r\n.\r\n",
        b"XFORWARD IDENT=",
        b"RSET\r\n",
        b"\r\n",
        b"\t",
        b"\0",
    ]
    for _ in range(3000):
        peer = Peer(noise.choice([1, 5, 500]))
        for _ in range(noise.randrange(12)):
            peer.say(noise.choice([noise.choice(words), noise.randbytes(noise.randrange(30))]))
        for asked in peer.deliveries:
            assert b"\0" not in asked.content
            assert asked.ident.isprintable()


def test_x04_no_envelope_part_survives_a_message() -> None:
    peer = Peer().greet()
    for body in (b"ok\r\n", b"bare\nline\r\n", b"x" * 2000 + b"\r\n"):
        peer.say(ENVELOPE + b"DATA\r\n" + body + b".\r\n")
        assert peer.say(b"DATA\r\n") == ["503 5.5.1"]
        peer.session._errors = 0
    assert len(peer.deliveries) == 1
