"""Canonical forms. RFC 6376 section 3.4."""

import re
import time
from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from postroom.mail.headers import read_headers
from postroom.policy.dkim.canonical import BodyHash, Canonicalization, canonical_field, collapsed

SIMPLE, RELAXED = Canonicalization.SIMPLE, Canonicalization.RELAXED
RFC_EXAMPLE = b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"

bodies = st.lists(
    st.sampled_from(
        [b"\r\n", b"\r", b"\n", b" ", b"\t", b"  ", b"x", b"yz", b"\r\n\r\n", b".", b"\x00", b"\xe9"]
    ),
    max_size=24,
).map(b"".join)


def by_the_book(body: bytes, form: Canonicalization) -> bytes:
    """Section 3.4.3 and 3.4.4 word by word, line by line."""
    if form is RELAXED:
        lines = [re.sub(rb"[ \t]+", b" ", line.rstrip(b" \t")) for line in body.split(b"\r\n")]
        body = b"\r\n".join(lines)
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n" if body or form is SIMPLE else b""


def digest(body: bytes, form: Canonicalization, step: int, length: int | None = None) -> tuple[bytes, int]:
    hashed = BodyHash(form, length)
    for start in range(0, len(body), step):
        hashed.update(body[start : start + step])
    return hashed.digest(), hashed.size


def test_the_rfc_example() -> None:
    """Section 3.4.5."""
    block = read_headers(RFC_EXAMPLE)
    assert [canonical_field(field, RELAXED) for field in block.fields] == [b"a:X\r\n", b"b:Y Z\r\n"]
    assert b"".join(canonical_field(field, SIMPLE) for field in block.fields) == block.octets
    body = RFC_EXAMPLE[block.body_offset :]
    assert digest(body, RELAXED, 1000)[0] == sha256(b" C\r\nD E\r\n").digest()
    assert digest(body, SIMPLE, 1000)[0] == sha256(b" C \r\nD \t E\r\n").digest()


def test_the_empty_body() -> None:
    """The digests are printed in sections 3.4.3 and 3.4.4."""
    assert b64encode(digest(b"", SIMPLE, 1)[0]) == b"frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="
    assert b64encode(digest(b"", RELAXED, 1)[0]) == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@given(bodies, st.sampled_from(Canonicalization), st.sampled_from([1, 2, 3, 7, 1000]))
@example(b" \r", RELAXED, 1)
@example(b"x\r\n \t", RELAXED, 1)
@example(b"\r\n\r\n\r\nx", RELAXED, 3)
def test_chunk_borders_do_not_matter(body: bytes, form: Canonicalization, step: int) -> None:
    expected = by_the_book(body, form)
    assert digest(body, form, step) == (sha256(expected).digest(), len(expected))


@given(bodies, st.sampled_from(Canonicalization), st.integers(0, 30), st.sampled_from([1, 3, 1000]))
def test_a_length_covers_the_beginning(body: bytes, form: Canonicalization, length: int, step: int) -> None:
    expected = by_the_book(body, form)
    assert digest(body, form, step, length) == (sha256(expected[:length]).digest(), len(expected))


def test_the_chunks_may_be_any_buffer() -> None:
    body = b"a  b\r\n" * 100_000
    whole = digest(body, RELAXED, len(body))
    hashed = BodyHash()
    hashed.update(memoryview(bytearray(body)))
    assert (hashed.digest(), hashed.size) == whole


@given(st.text(" \tx", max_size=60))
def test_collapsing_leaves_single_spaces(text: str) -> None:
    assert collapsed(text.encode()) == re.sub(rb"[ \t]+", b" ", text.encode())


HOSTILE = [b" ", b"\t", b"\r\n", b"\r", b"\n", b" \r\n", b"\n\r\n", b"\r\r\n", b"x ", b" \t"]


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_x9_time_grows_with_the_size_and_no_faster(piece: bytes) -> None:
    """Four times the body may take eight times as long: room for noise, none for a square."""

    def cost(size: int) -> float:
        body = piece * (size // len(piece))
        best = float("inf")
        for _ in range(3):
            hashed = BodyHash()
            start = time.process_time()
            for place in range(0, len(body), 4096):
                hashed.update(body[place : place + 4096])
            hashed.digest()
            best = min(best, time.process_time() - start)
        return best

    assert cost(4 << 20) < 8 * cost(1 << 20) + 0.02


def test_a_body_of_line_ends_is_not_kept() -> None:
    hashed = BodyHash()
    for _ in range(1000):
        hashed.update(b"\r\n" * 1000)
        assert len(hashed._held) <= 2
    assert hashed.digest() == sha256(b"").digest()
