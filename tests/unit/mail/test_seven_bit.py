"""Eight bits written down in seven: whoever decodes it reads the same."""

import email
import email.policy
from email.message import EmailMessage, Message

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.seven_bit import Unconvertible, quoted_printable, seven_bit

UMLAUTS = "Grüße aus Köln\r\n".encode()
PLAIN = (
    b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\nSubject: x\r\n\r\n"
)
MIXED = (
    b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n--outer\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding:\r\n 8BIT\r\n\r\n" + UMLAUTS + b"\r\n--outer\r\n"
    b"Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" + bytes(range(128, 256)) * 3 + b"\r\n--outer\r\n"
    b"Content-Type: text/plain\r\n\r\nonly ASCII = here\r\n--outer\r\n"
    b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + PLAIN + UMLAUTS + b"\r\n--outer--\r\nepilogue\r\n"
)  # fmt: skip


def leaves(message: bytes) -> list[tuple[str, bytes]]:
    """Type and decoded content of each part, as another reader has them."""
    parsed: Message = email.message_from_bytes(message)
    return [
        (part.get_content_type(), part.get_payload(decode=True))  # type: ignore[misc]
        for part in parsed.walk()
        if not part.is_multipart()
    ]


def long_lines(message: bytes) -> list[bytes]:
    return [line for line in message.split(b"\r\n") if len(line) > 78]


@pytest.mark.parametrize(
    "body", [UMLAUTS, UMLAUTS * 100, "ü".encode() * 500, b"= \t\r\n.\r\nFrom \xc3\xbc \r\n"]
)
def test_a_text_is_read_as_it_was(body: bytes) -> None:
    found = seven_bit(PLAIN + body)
    assert found.isascii()
    assert leaves(found) == leaves(PLAIN + body) == [("text/plain", body)]
    assert found.count(b"Content-Transfer-Encoding") == 1
    assert b"\n" not in found.replace(b"\r\n", b"")
    assert not long_lines(found)


def test_every_part_of_eight_bits_is_encoded_and_no_other() -> None:
    found = seven_bit(MIXED)
    assert found.isascii()
    assert leaves(found) == leaves(MIXED)
    assert b"\r\n\r\nonly ASCII = here\r\n--outer" in found
    assert found.startswith(MIXED.partition(b"Content-Transfer")[0])
    assert found.endswith(b"\r\n--outer--\r\nepilogue\r\n")
    assert b"8bit" not in found.lower()


def test_what_has_seven_bits_stays_as_it_is() -> None:
    for message in (b"", b"\r\n", PLAIN, PLAIN + b"x\r\n"):
        assert seven_bit(message) is message


@pytest.mark.parametrize(
    ("body", "charset"),
    [(UMLAUTS, "utf-8"), (b"Gr\xfc\xdfe\r\n", "unknown-8bit"), (b"\xff" * 90, "unknown-8bit")],
)
def test_a_message_that_was_no_mime_becomes_one(body: bytes, charset: str) -> None:
    for head in (b"From: a@b.example\r\n\r\n", b"\r\n"):
        found = seven_bit(head + body)
        parsed = email.message_from_bytes(found)
        assert parsed["MIME-Version"] == "1.0"
        assert parsed.get_content_charset() == charset
        assert parsed.get_payload(decode=True) == body


@pytest.mark.parametrize(
    "message",
    [
        b"Subject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nx\r\n",
        PLAIN.replace(b"text/plain", b"multipart/mixed; boundary=none") + UMLAUTS,
        PLAIN.replace(b"text/plain", b"message/partial") + UMLAUTS,
        PLAIN.replace(b"8bit", b"base64") + UMLAUTS,
        PLAIN.replace(b"8bit", b"quoted-printable") + UMLAUTS,
        MIXED.replace(b"/mixed", b"/signed"),
        MIXED.replace(b"preamble", UMLAUTS),
        MIXED.replace(b"8bit", b"x-unknown", 1),
        MIXED.replace(b"Subject: x", b"Subject: \xc3\xbc"),
    ],
)
def test_what_has_no_other_form_is_told(message: bytes) -> None:
    with pytest.raises(Unconvertible):
        seven_bit(message)


def test_encoding_makes_no_new_part() -> None:
    """A soft line break must not put a boundary at the beginning of a line."""
    for padding in range(50, 80):
        text = b"x" * padding + b"--outer\xc3\xbc\r\n"
        message = MIXED.replace(UMLAUTS, text, 1)
        try:
            found = seven_bit(message)
        except Unconvertible:
            continue
        assert leaves(found) == leaves(message)


@given(
    st.lists(
        st.binary(max_size=120).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b"")), max_size=8
    )
)
def test_quoted_printable_is_read_back(lines: list[bytes]) -> None:
    import quopri

    text = b"\r\n".join(lines)
    encoded = quoted_printable(text)
    assert encoded.isascii()
    assert quopri.decodestring(encoded).replace(b"\r\n", b"\n") == text.replace(b"\r\n", b"\n")
    assert not long_lines(encoded)


@given(st.text(), st.binary())
def test_messages_of_another_writer(text: str, octets: bytes) -> None:
    made = EmailMessage(policy=email.policy.SMTP.clone(cte_type="8bit"))
    made["From"] = "a@b.example"
    made.set_content(text.replace("\r", " ") + "ü")
    made.add_attachment(octets, "application", "octet-stream")
    written = made.as_bytes()
    found = seven_bit(written)
    assert found.isascii()
    assert leaves(found) == leaves(written)
