"""Lines of a header that are no field: readers differ over them. RFC 5322 sections 2.2 and 4.5.8, RFC 4155."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.headers import mended, read_headers

NO_FIELD = {
    "folded before the colon": b"From\r\n : <ceo@bank.example>\r\n",
    "folded results": b"Authentication-Results\r\n : mail.alpha.example; dmarc=pass\r\n",
    "folded by a tab": b"From\r\n\t: <ceo@bank.example>\r\n",
    "space and fold": b"From \r\n : <ceo@bank.example>\r\n",
    "no-break space": b"From\xc2\xa0: <ceo@bank.example>\r\n",
    "no-break space in Latin-1": b"From\xa0: <ceo@bank.example>\r\n",
    "no-break space in front": b"\xc2\xa0From: <ceo@bank.example>\r\n",
    "byte order mark": b"\xef\xbb\xbfFrom: <ceo@bank.example>\r\n",
    "zero width": b"From\xe2\x80\x8b: <ceo@bank.example>\r\n",
    "bell": b"Fr\x07om: <ceo@bank.example>\r\n",
    "backspace": b"X\x08From: <ceo@bank.example>\r\n",
    "vertical tab": b"From\x0b: <ceo@bank.example>\r\n",
    "form feed": b"\x0cFrom: <ceo@bank.example>\r\n",
    "delete": b"From\x7f: <ceo@bank.example>\r\n",
    "umlaut": b"Gr\xc3\xb6\xc3\x9fe: 1\r\n",
    "space in the name": b"Reply To: <ceo@bank.example>\r\n",
    "no colon": b"This is no field\r\n",
    "no name": b": <ceo@bank.example>\r\n",
    "separator of a mailbox file": b"From ceo@bank.example Mon Nov 23 08:00:00 2026\r\n",
}
WHITE = b"The first line of the header begins with white space"
GOOD = b"Subject: x\r\nTo: y@x.example\r\n"


@pytest.mark.parametrize("line", NO_FIELD.values(), ids=NO_FIELD)
@pytest.mark.parametrize("place", ["behind", "between", "alone"])
def test_x10_a_line_that_is_no_field_is_a_flaw(line: bytes, place: str) -> None:
    header = {"behind": GOOD + line, "between": b"A: b\r\n" + line + GOOD, "alone": line}[place]
    if place == "alone" and line.startswith(b"From ceo"):
        return  # the next test's matter
    assert read_headers(header + b"\r\nx\r\n").flaw() == "A line of the header is no field"


@pytest.mark.parametrize("line", [b" continues\r\n", b"\tFrom: a@x.example\r\n", b" \r\n"])
def test_x10_nothing_may_continue_the_field_above_the_message(line: bytes) -> None:
    assert read_headers(line + GOOD + b"\r\n").flaw().encode() == WHITE


@pytest.mark.parametrize(
    "header",
    [
        b"",
        GOOD,
        b"Subject:\r\n folded\r\n\t\r\n more\r\n",
        b"Subject : obsolete\r\nFrom\t: a@x.example\r\n",
        b"From : a@x.example\r\n" + GOOD,
        b"Subject: \xef\xbb\xbfgr\xc3\xb6\xc3\x9fer \xa0 \x07\r\n",
        b"X:\r\n",
        b"X: " + b"y" * 60_000 + b"\r\n",
        b"From ceo@bank.example Mon Nov 23 08:00:00 2026\r\n" + GOOD,
        b">From ceo@bank.example Mon Nov 23 08:00:00 2026\r\n" + GOOD,
        b"From a@x.example Mon\r\n>From b@x.example Mon\r\n" + GOOD,
        b"From \r\n",
    ],
    ids=repr,
)
def test_sound_headers(header: bytes) -> None:
    assert read_headers(header + b"\r\nno field\r\n").flaw() == ""
    assert read_headers(header).flaw() == ""


def test_a_separator_line_may_not_be_folded() -> None:
    assert read_headers(b"From a@x.example Mon\r\n : <ceo@bank.example>\r\n" + GOOD).flaw()


@pytest.mark.parametrize("line", NO_FIELD.values(), ids=NO_FIELD)
def test_the_body_of_a_programs_message_begins_at_what_is_no_field(line: bytes) -> None:
    message = GOOD + line + b"X: y\r\n\r\nbody\r\n"
    fields, start = mended(message)
    assert (b"".join(fields), message[start:]) == (GOOD, line + b"X: y\r\n\r\nbody\r\n")


@pytest.mark.parametrize(
    "rubbish",
    [
        b"From root Mon Nov 23 08:00:00 2026\r\n",
        b">From root Mon\r\n",
        b"From a\r\n>From b\r\n",
        b"\xef\xbb\xbf",
    ],
)
def test_rubbish_above_a_programs_message_is_left_out(rubbish: bytes) -> None:
    message = rubbish + GOOD + b"\r\nbody\r\n"
    fields, start = mended(message)
    assert (b"".join(fields), message[start:]) == (GOOD, b"body\r\n")


@given(
    st.lists(st.sampled_from([b"A: b", b" c", b"From x", b"no", b":", b"", b"\xef\xbb\xbf", b"D : e", b"\t"]))
)
def test_what_is_mended_is_sound_and_says_so_again(lines: list[bytes]) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    fields, start = mended(message)
    again = b"".join(fields) + b"\r\n" + message[start:]
    assert read_headers(again).flaw() == ""
    assert mended(again) == (fields, len(again) - len(message[start:]))


@pytest.mark.parametrize(
    "piece", [b"A: b\r\n", b" c\r\n", b"From x\r\n", b"x", b" ", b"A" * 50 + b"\r\n"], ids=repr
)
def test_x9_time_grows_with_the_size_and_no_faster(piece: bytes) -> None:
    def cost(size: int) -> float:
        text = b"A: b\r\n" + piece * (size // len(piece))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            mended(text)
            mended(text[6:])
            read_headers(text, max_fields=size).flaw()
            best = min(best, time.process_time() - start)
        return best

    assert cost(200_000) < 8 * cost(50_000) + 0.03
