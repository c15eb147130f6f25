"""The header block as bytes. RFC 5322 section 2.2."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.headers import HeaderTooLarge, TooManyFields, body_start, read_headers

MESSAGE = (
    b"Received: from a\r\n\tby b\r\nFrom: Ada <a@x.example>\r\nSUBJECT : one\r\n two\r\n"
    b"from: second\r\n\r\nbody\r\n"
)

blocks = st.lists(
    st.sampled_from(
        [b"From: a", b"\r\n", b"\r", b"\n", b" ", b"\t", b":", b"X-Y", b"\x00", b"\xff", b"\r\n\r\n"]
    ),
    max_size=30,
).map(b"".join)


def test_fields_and_their_places() -> None:
    block = read_headers(MESSAGE)
    assert [field.key for field in block.fields] == [b"received", b"from", b"subject", b"from"]
    assert [field.value for field in block.fields] == [
        b"from a\tby b",
        b"Ada <a@x.example>",
        b"one two",
        b"second",
    ]
    assert all(MESSAGE[field.start : field.end] == field.raw for field in block.fields)
    assert MESSAGE[block.end : block.body_offset] == b"\r\n"
    assert MESSAGE[block.body_offset :] == b"body\r\n"


def test_fields_are_found_by_name_in_any_case() -> None:
    block = read_headers(MESSAGE)
    first = block.first(b"FROM")
    assert first is not None
    assert first.raw == b"From: Ada <a@x.example>\r\n"
    assert len(block.all(b"From")) == 2
    assert block.first(b"to") is None


@pytest.mark.parametrize(
    ("octets", "fields", "offset"),
    [
        (b"", 0, 0),
        (b"\r\nbody", 0, 2),
        (b"A: b\r\n", 1, 6),
        (b"A: b", 1, 4),
        (b"A: b\r\n\r\n", 1, 8),
        (b"A: b\r\n \r\n\r\n", 1, 11),
        (b"A: b\n\nnot the end\r\n\r\nx", 1, 21),
    ],
)
def test_where_the_header_ends(octets: bytes, fields: int, offset: int) -> None:
    """Only CR LF ends a line; a line of white space continues the field."""
    block = read_headers(octets)
    assert (len(block.fields), block.body_offset) == (fields, offset)


@pytest.mark.parametrize(
    "line",
    [b"no colon", b" continues nothing", b"b\xc3\xa9: x", b"a b: x", b"From\x00: a@b", b": x", b">From x"],
)
def test_x10_what_is_no_field_matches_no_name(line: bytes) -> None:
    block = read_headers(line + b"\r\nTo: x\r\n\r\n")
    assert [field.key for field in block.fields] == [b"", b"to"]
    assert block.octets == line + b"\r\nTo: x\r\n"


@given(blocks)
def test_no_octet_is_lost(octets: bytes) -> None:
    block = read_headers(octets)
    assert b"".join(field.raw for field in block.fields) == block.octets == octets[: block.end]
    assert block.rewritten() == block.octets
    assert octets[block.end : block.body_offset] in (b"", b"\r\n")


@given(blocks, st.sampled_from([1, 2, 5, 1000]))
def test_pieces_find_the_body_where_the_whole_does(octets: bytes, step: int) -> None:
    whole, searched, found = body_start(octets), 0, None
    buffer = bytearray()
    for place in range(0, len(octets), step):
        buffer += octets[place : place + step]
        found = body_start(buffer, searched)
        if found is not None:
            break
        searched = len(buffer)
    assert found == whole


def test_rewriting_drops_whole_fields_and_puts_others_in_front() -> None:
    block = read_headers(MESSAGE)
    octets = block.rewritten(prepend=[b"X-New: 1\r\n"], drop=lambda field: field.key == b"from")
    assert octets == b"X-New: 1\r\nReceived: from a\r\n\tby b\r\nSUBJECT : one\r\n two\r\n"


def test_x9_limits_hold() -> None:
    with pytest.raises(HeaderTooLarge):
        read_headers(b"A: " + b"x" * 1_048_576 + b"\r\n\r\n")
    with pytest.raises(TooManyFields):
        read_headers(b"A: b\r\n" * 1001 + b"\r\n")
    assert len(read_headers(b"A: b\r\n" * 1000 + b"\r\n").fields) == 1000
    assert len(read_headers(b"A: " + b"x" * (1_048_576 - 5) + b"\r\n\r\n").octets) == 1_048_576


@pytest.mark.parametrize("piece", [b"A: b\r\n", b" x\r\n", b"\r\r", b" \r\n\t", b":", b"\n"], ids=repr)
def test_x9_time_grows_with_the_size_and_no_faster(piece: bytes) -> None:
    def cost(size: int) -> float:
        octets = b"A: " + piece * (size // len(piece)) + b"\r\n\r\n"
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            block = read_headers(octets, max_fields=1_000_000)
            assert [field.value for field in block.fields]
            best = min(best, time.process_time() - start)
        return best

    assert cost(1_000_000) < 8 * cost(250_000) + 0.02
