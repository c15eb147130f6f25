"""Messages looked at and repaired in pieces of any size."""

from hypothesis import given
from hypothesis import strategies as st
from postroom.wire.smtp.octets import LineCheck, repaired

HOSTILE = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b"\0", b".", b"a", b"\r\n.\r\n", b"\xc3\xa9"]), max_size=30
).map(b"".join)


def _pieces(octets: bytes, size: int) -> list[bytes]:
    return [octets[at : at + size] for at in range(0, len(octets), size)]


def _is_clean(octets: bytes) -> bool:
    return b"\0" not in octets and not octets.replace(b"\r\n", b"").strip(
        b"abcdefghijklmnopqrstuvwxyz.\xc3\xa9"
    )


@given(HOSTILE, st.integers(1, 9))
def test_the_check_sees_what_a_slow_reader_sees(octets: bytes, size: int) -> None:
    check = LineCheck()
    for piece in _pieces(octets, size):
        check.update(piece)
    assert check.clean == _is_clean(octets)
    assert check.ascii == octets.isascii()


@given(HOSTILE, st.integers(1, 9))
def test_repaired_text_is_clean_and_keeps_its_lines(octets: bytes, size: int) -> None:
    result = b"".join(repaired(_pieces(octets, size)))
    assert _is_clean(result)
    plain = octets.replace(b"\0", b"")
    assert result == plain.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
