"""Structure by byte offsets: ordinary mail, limits, and what was sent to break others."""

import time
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom.mail.mime import Part
from postroom.mail.mime_scan import DEFAULT_LIMITS, ScanLimits, scan, shifted

from ...cost import processor_seconds

CPU_SECONDS = 0.25


def lines(*texts: str) -> bytes:
    return "".join(f"{text}\r\n" for text in texts).encode()


def tree(part: Part) -> object:
    """Type and children."""
    name = f"{part.type.decode()}/{part.subtype.decode()}".lower()
    return (name, [tree(child) for child in part.parts]) if part.parts else name


def walk(part: Part) -> list[Part]:
    found, waiting = [], [part]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].parts
    return found


MIXED = lines(
    "From: Ada <ada@alpha.example>",
    "Subject: two parts",
    "Content-Type: multipart/mixed; boundary=outer",
    "",
    "preamble",
    "--outer",
    "Content-Type: text/plain; charset=utf-8",
    "",
    "first",
    "--outer",
    'Content-Type: Multipart/Alternative; boundary="inner (1)"',
    "",
    "--inner (1)",
    "",
    "plain",
    "--inner (1)",
    "Content-Type: text/html",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "<p>html",
    "second line",
    "--inner (1)--",
    "",
    "--outer",
    "Content-Type: message/rfc822",
    "Content-ID: <x@y>",
    "Content-Disposition: attachment; filename*=utf-8''a%20b; size=3",
    "",
    "From: bob@beta.example",
    "Subject: inside",
    "",
    "inner body",
    "--outer--",
    "epilogue",
)


def test_nested_parts_have_their_octets() -> None:
    envelope, root = scan(MIXED)
    assert envelope.subject == b"two parts"
    expected = [
        "text/plain",
        ("multipart/alternative", ["text/plain", "text/html"]),
        ("message/rfc822", ["text/plain"]),
    ]
    assert tree(root) == ("multipart/mixed", expected)
    first, alternative, enclosed = root.parts
    assert MIXED[first.body : first.end] == b"first"
    assert first.params == ((b"CHARSET", b"utf-8"),)
    html = alternative.parts[1]
    assert MIXED[html.body : html.end] == b"<p>html\r\nsecond line"
    assert (html.encoding, html.lines) == (b"QUOTED-PRINTABLE", 1)
    assert enclosed.envelope is not None
    assert enclosed.envelope.subject == b"inside"
    assert enclosed.id == b"<x@y>"
    assert enclosed.disposition == (b"ATTACHMENT", ((b"FILENAME*", b"utf-8''a%20b"), (b"SIZE", b"3")))
    message = enclosed.parts[0]
    assert MIXED[enclosed.body : enclosed.end] == MIXED[message.start : message.end]
    assert MIXED[message.body : message.end] == b"inner body"
    assert MIXED[root.start : root.end] == MIXED


@pytest.mark.parametrize("base", [1, 42, 300])
def test_offsets_behind_a_prefix(base: int) -> None:
    served = b"p" * base + MIXED
    _, root = scan(MIXED, base=base)
    _, bare = scan(MIXED)
    assert root == shifted(bare, base)
    assert bare == shifted(root, -base)
    assert root.start == 0
    assert served[root.body :] == MIXED[bare.body :]
    for moved, still in zip(walk(root)[1:], walk(bare)[1:], strict=True):
        assert served[moved.start : moved.end] == MIXED[still.start : still.end]


@pytest.mark.parametrize(
    ("message", "start", "shape"),
    [
        (b"", 0, "text/plain"),
        (b"\r\n", 2, "text/plain"),
        (b"\r\nbody", 2, "text/plain"),
        (b"Subject: no body", 16, "text/plain"),
        (lines("Content-Type: multipart/mixed", "", "--x", "", "a"), 33, "text/plain"),
        (lines("Content-Type: multipart/mixed; boundary=x", "", "nothing here"), 45, "text/plain"),
        (lines("Content-Type: nonsense", "", "a"), 26, "text/plain"),
        (lines("Content-Type: image/png", "", "a"), 27, "image/png"),
        (lines("Content-Type: message/delivery-status", "", "a"), 41, "message/delivery-status"),
    ],
)
def test_leaves(message: bytes, start: int, shape: str) -> None:
    _, root = scan(message)
    assert (root.body, root.end, tree(root)) == (start, len(message), shape)


def test_parts_that_have_no_header_or_no_octets() -> None:
    message = lines(
        "Content-Type: multipart/mixed; boundary=b", "", "--b", "", "bare", "--b", "--b", "", "--b--"
    )
    _, root = scan(message)
    assert [message[part.body : part.end] for part in root.parts] == [b"bare", b"", b""]


def test_a_digest_holds_messages() -> None:
    _, root = scan(
        lines("Content-Type: multipart/digest; boundary=b", "", "--b", "", "Subject: x", "", "y", "--b--")
    )
    assert tree(root) == ("multipart/digest", [("message/rfc822", ["text/plain"])])
    assert root.parts[0].envelope is not None
    assert root.parts[0].envelope.subject == b"x"


def test_an_unfinished_multipart_ends_with_the_message() -> None:
    message = lines("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "cut off")
    _, root = scan(message)
    assert message[root.parts[0].body : root.parts[0].end] == b"cut off\r\n"


def test_an_encoded_message_is_no_message() -> None:
    _, root = scan(lines("Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", "", "AAAA"))
    assert tree(root) == "application/octet-stream"


def bodies(message: bytes) -> list[bytes]:
    return [message[part.body : part.end] for part in walk(scan(message)[1]) if not part.parts]


def test_x35_the_first_of_two_content_types_holds() -> None:
    message = lines(
        "Content-Type: text/html", "Content-Type: multipart/mixed; boundary=b", "", "--b", "", "x", "--b--"
    )
    assert tree(scan(message)[1]) == "text/html"
    _, root = scan(lines("Content-Transfer-Encoding: 8bit", "Content-Transfer-Encoding: base64", "", "x"))
    assert root.encoding == b"8BIT"


def test_x35_the_first_of_two_boundaries_holds() -> None:
    message = lines(
        "Content-Type: multipart/mixed; boundary=a; boundary=b", "", "--b", "", "1", "--a", "", "2", "--a--"
    )
    assert bodies(message) == [b"2"]


def test_x35_a_boundary_that_begins_another() -> None:
    inner = ("Content-Type: multipart/mixed; boundary=abc", "", "--abc", "", "in", "--abc--")
    message = lines(
        "Content-Type: multipart/mixed; boundary=ab", "", "--ab", *inner, "--ab", "", "out", "--ab--"
    )
    assert sorted(bodies(message)) == [b"in", b"out"]
    assert tree(scan(message)[1]) == ("multipart/mixed", [("multipart/mixed", ["text/plain"]), "text/plain"])


def test_x35_an_outer_boundary_ends_the_inner_part() -> None:
    inner = ("Content-Type: multipart/mixed; boundary=in", "", "--in", "", "unfinished")
    message = lines(
        "Content-Type: multipart/mixed; boundary=out", "", "--out", *inner, "--out", "", "next", "--out--"
    )
    assert sorted(bodies(message)) == [b"next", b"unfinished"]


@pytest.mark.parametrize("line", ["--b x", "--bb", "-- b", " --b", "--b-", "--b--x"])
def test_x35_what_is_no_delimiter(line: str) -> None:
    message = lines("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "one", line, "still", "--b--")
    assert bodies(message) == [f"one\r\n{line}\r\nstill".encode()]


@pytest.mark.parametrize("ending", ["", " ", "\t  "])
def test_x35_white_space_behind_a_delimiter(ending: str) -> None:
    message = lines(
        "Content-Type: multipart/mixed; boundary=b", "", "--b" + ending, "", "x", "--b--" + ending, "after"
    )
    assert bodies(message) == [b"x"]


def test_x35_the_bare_line_feed_is_no_line_end() -> None:
    message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\n--b\n\ntwo\r\n--b--\r\n"
    assert bodies(message) == [b"one\n--b\n\ntwo"]


def test_x35_the_boundary_in_comments_quotes_and_folds() -> None:
    field = 'Content-Type: multipart/mixed (x; boundary="no"); charset="; boundary=no";\r\n boundary="y\\es"'
    assert bodies(lines(field, "", "--no", "", "1", "--yes", "", "2", "--yes--")) == [b"2"]


def _nested(depth: int) -> bytes:
    parts = [
        f"Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n" for level in range(depth)
    ]
    return "".join(parts).encode()


HOSTILE = {
    "multiparts 1000 deep": _nested(1000),
    "multiparts 50 deep with 1 MiB": _nested(50) + b"\r\n" + b"x" * (1 << 20),
    "multiparts 50 deep around 200000 near delimiters": _nested(50) + b"\r\n" + b"\r\n--b4\r\n--b" * 100_000,
    "messages 1000 deep": b"Content-Type: message/rfc822\r\n\r\n" * 1000,
    "1000 open parentheses": b"To: " + b"(" * 1000 + b"\r\n\r\nx",
    "1 MiB of parentheses": b"To: " + b"(" * (1 << 20) + b"\r\n\r\nx",
    "parentheses in every address field": b"".join(
        name + b": " + b"(" * 150_000 + b"\r\n"
        for name in (b"From", b"Sender", b"Reply-To", b"To", b"Cc", b"Bcc")
    ),
    "groups in every address field": b"".join(
        name + b": " + b"g:" * 75_000 + b"\r\n"
        for name in (b"From", b"Sender", b"Reply-To", b"To", b"Cc", b"Bcc")
    ),
    "parentheses in the type": b"Content-Type: text/plain" + b"(" * 500_000 + b"\r\n\r\nx",
    "parameters of RFC 2231": b"Content-Type: text/plain; name*=a; name*0=b\r\n\r\nx",
    "3000 parameters": b"Content-Type: text/plain"
    + b"".join(b"; p%d=v" % n for n in range(3000))
    + b"\r\n\r\nx",
    "quotes without end": b'Content-Type: text/plain; a="' + b'\\"' * 200_000 + b"\r\n\r\nx",
    "many quotes": b"Content-Type: text/plain" + b' "a' * 200_000 + b"\r\n\r\nx",
    "20000 encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n\r\nx",
    "16000 addresses": b"To: " + b", ".join(b"a%d@b.example" % n for n in range(16_000)) + b"\r\n\r\nx",
    "groups without end": b"To: " + b"g:" * 300_000 + b"\r\n\r\nx",
    "angle brackets": b"From: " + b"<" * 500_000 + b"\r\n\r\nx",
    "10 MB of lone CR": b"Subject: x\r\n\r\n" + b"\r" * 10_000_000,
    "lone CR in the header": b"Subject: " + b"\r" * 900_000 + b"\r\n\r\nx",
    "100000 empty parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 100_000,
    "30 MB of text": b"Subject: x\r\n\r\n" + b"The quick brown fox jumps over the lazy dog.\r\n" * 650_000,
    "folded for ever": b"To: " + b"\r\n " * 300_000 + b"\r\n\r\nx",
    "100000 fields": b"To: a@b.example\r\n" * 60_000 + b"\r\nx",
    "header of 40 MB": b"X: " + b"a" * 40_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_x8_hostile_mail_costs_little(name: str) -> None:
    envelope, root = scan(HOSTILE[name])
    parts = walk(root)
    assert processor_seconds(lambda: scan(HOSTILE[name]), CPU_SECONDS) < CPU_SECONDS
    assert len(parts) <= DEFAULT_LIMITS.parts + 1
    assert all(len(part.params) <= 64 for part in parts)
    assert len(envelope.to) <= 1001


@pytest.mark.parametrize(
    ("piece", "field"),
    [
        (b"(" * 1000, b"To: %s"),
        (b"(()" * 1000, b"From: a@b %s"),
        (b'"\\' * 1000, b"Cc: %s"),
        (b"a:;," * 1000, b"To: %s"),
        (b"; a=b" * 1000, b"Content-Type: text/plain%s"),
        (b'; "a' * 1000, b"Content-Disposition: inline%s"),
        (b"\r\n " * 1000, b"Content-Language: %s"),
        (b"<@a,@b:" * 1000, b"Reply-To: %s"),
    ],
)
def test_x9_time_grows_no_faster_than_the_field(piece: bytes, field: bytes) -> None:
    def cost(times: int) -> float:
        message = field % (piece * times) + b"\r\n\r\nx"
        best = 1.0
        for _ in range(5):
            begun = time.process_time()
            scan(message)
            best = min(best, time.process_time() - begun)
        return best

    cost(1)
    assert cost(40) < 4 * 2 * max(cost(10), 0.0005)


def test_depth_parts_and_work_are_limited() -> None:
    _, root = scan(_nested(20), ScanLimits(depth=3))
    assert tree(root) == (
        "multipart/mixed",
        [("multipart/mixed", [("multipart/mixed", ["application/octet-stream"])])],
    )
    many = lines("Content-Type: multipart/mixed; boundary=b", "", *["--b", "", "x"] * 10, "--b--")
    _, root = scan(many, ScanLimits(parts=4))
    assert [part.type for part in root.parts] == [b"TEXT", b"TEXT", b"TEXT", b"APPLICATION"]
    assert root.parts[-1].end == len(many)
    _, root = scan(_nested(3) + b"\r\n" + b"x" * 100_000, ScanLimits(work=1))
    assert tree(root) == ("multipart/mixed", ["application/octet-stream"])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                b"\r\n", b"--b", b"--b--", b"--c", b"\r", b"\n", b"x", b'"', b"(", b")", b";", b" ", b"\0", b"\xff",
                b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n",
                b"Content-Type: multipart/digest; boundary=c\r\n", b"To: a@b\r\n",
            ]
        ),
        max_size=60,
    ).map(b"".join)
)  # fmt: skip
def test_any_octets_have_a_structure(message: bytes) -> None:
    _, root = scan(message)
    assert (root.start, root.end) == (0, len(message))
    for part in walk(root):
        assert 0 <= part.start <= part.body <= part.end <= len(message)
        behind = part.body
        for child in part.parts:
            assert behind <= child.start <= child.end <= part.end
            behind = child.end


def _shape(message: object) -> object:
    kind = message.get_content_type()  # type: ignore[attr-defined]
    if message.is_multipart():  # type: ignore[attr-defined]
        return (kind, [_shape(part) for part in message.iter_parts()])  # type: ignore[attr-defined]
    return kind


def test_the_standard_library_sees_the_same_parts() -> None:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "ada@alpha.example", "bob@beta.example", "oracle"
    made.set_content("plain")
    made.add_alternative("<p>html</p>", subtype="html")
    made.add_attachment(b"\0\1\2", maintype="image", subtype="png", filename="a.png")
    octets = made.as_bytes(policy=policy.SMTP)
    _, root = scan(octets)
    assert tree(root) == _shape(message_from_bytes(octets, policy=policy.default))
    image = root.parts[1]
    assert image.disposition == (b"ATTACHMENT", ((b"FILENAME", b"a.png"),))
    assert (image.encoding, octets[image.body : image.end].strip()) == (b"BASE64", b"AAEC")
