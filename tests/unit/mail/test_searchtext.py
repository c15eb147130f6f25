"""Large text parts are searched piece by piece, and what is found is the same."""

import base64
import binascii
import quopri
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail import searchtext
from postroom.mail.mime_scan import scan

HEAD = "Content-Type: text/plain; charset={}\r\nContent-Transfer-Encoding: {}\r\n\r\n"
TEXT = "Straße über Łódź, =3D und = allein,\r\nWien. \u1e9e end of it all" * 3
ENCODERS = {"8bit": bytes, "base64": base64.encodebytes, "quoted-printable": quopri.encodestring}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searchtext, "PIECE", 13)


def pieces(octets: bytes, encoding: str, longest: int, charset: str = "utf-8") -> list[str]:
    content = HEAD.format(charset, encoding).encode() + octets
    return list(searchtext.body_texts(content, scan(content)[1], longest))


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        *((encoding, charset) for encoding in ENCODERS for charset in ("utf-8", "iso-2022-jp", "x-unknown")),
        ("8bit", "utf-16"),  # its line ends of two octets cannot be quoted by lines
        ("base64", "utf-16"),
    ],
)
@pytest.mark.parametrize("longest", [1, 2, 7, 30])
def test_every_word_stands_whole_in_a_piece(encoding: str, charset: str, longest: int) -> None:
    text = "日本 Wien 東京 " * 9 if charset == "iso-2022-jp" else TEXT
    known = "utf-8" if charset == "x-unknown" else charset
    found = pieces(ENCODERS[encoding](text.encode(known)), encoding, longest, charset)
    folded = text.replace("\r\n", "\n").casefold()
    for start in range(len(folded) - longest + 1):
        word = folded[start : start + longest]
        assert any(word in piece.replace("\r\n", "\n") for piece in found), word
    assert max(map(len, found)) <= 13 * 2 + longest + 80  # a line of quoted-printable is not parted


@given(st.binary(min_size=14, max_size=200), st.sampled_from(sorted(ENCODERS)), st.integers(1, 20))
def test_nothing_fails_and_no_octets_are_left_out(octets: bytes, encoding: str, longest: int) -> None:
    pieces(octets, encoding, longest)
    if encoding == "8bit":
        tail = "".join(pieces(octets, encoding, 0))
        whole = searchtext.plain_text(octets).casefold()
        assert tail == whole or octets.decode("latin-1").casefold() in tail


def test_what_is_not_in_the_charset_is_read_as_latin_1() -> None:
    octets = b"ascii for a long while, and then \xfcber \xff alles hinaus"
    assert any("über ÿ alles".casefold() in piece for piece in pieces(octets, "8bit", 12))


@pytest.mark.parametrize(
    ("charset", "octets"),
    [
        ("iso-2022-jp", b"\x1b$B-!F|K\\\x1b(B"),  # NEC's row 13, which mail from Japan has
        ("shift_jis", "\u65e5\u672c".encode("cp932") + b"\xff"),
        ("ks_c_5601-1987", b"\xff" + "\u65e5\u672c".encode("cp949")),
        ("gb2312", "\u65e5\u672c".encode("gb18030") + b"\xff"),
        ("big5", "\u65e5\u672c".encode("big5") + b"\xff"),
    ],
)
def test_a_character_that_nobody_knows_costs_itself_alone(charset: str, octets: bytes) -> None:
    assert "\u65e5\u672c" in searchtext.plain_text(octets, charset)


def test_an_escape_is_never_parted() -> None:
    octets = b"".join(b"=%02X" % octet for octet in b"ein Wort ohne Ende" * 4)
    assert "ein wort ohne ende" * 4 in "".join(pieces(octets, "quoted-printable", 0))


def test_broken_base64_is_searched_as_far_as_it_goes() -> None:
    octets = binascii.b2a_base64(b"Wien Wien Wien Wien").strip() + b"\r\n!!!!\r\n" + b"V2llbg=="
    assert any("wien" in piece for piece in pieces(octets, "base64", 4))


@pytest.mark.parametrize("field", ["X: y", "Content-Type: text/plain", "Content-Type: text/html; charset=us-ascii",
    "Content-Type: text/plain; charset=", "Content-Type: text/plain; charset=ANSI_X3.4-1968", "Content-Type: broken",
    "Content-Type: text/plain; charset=unknown-8bit", "Content-Type: text/plain; charset=utf-8; charset=koi8-r"])  # fmt: skip
@pytest.mark.parametrize("text", ["Das ist grün.", "grün " * 20])
def test_text_that_says_nothing_is_utf_8_if_it_can_be(field: str, text: str) -> None:
    for octets, found in (
        (text.encode(), True),
        (text.encode("latin-1"), True),
        (b"gr\xc3\xb6n \xff", False),
    ):
        content = f"{field}\r\n\r\n".encode() + octets
        assert any("grün" in piece for piece in searchtext.body_texts(content, scan(content)[1], 4)) is found


def test_undeclared_text_that_real_software_sends() -> None:
    content = (Path(__file__).parents[2] / "cases" / "06-utf8-undeclared.eml").read_bytes()
    assert any("grün" in piece for piece in searchtext.body_texts(content, scan(content)[1], 4))


@pytest.mark.parametrize(
    ("parameter", "charset", "word"),
    [
        ("charset=ks_c_5601-1987", "cp949", "똠방각하"),
        ("charset*=us-ascii'en'euc-kr", "cp949", "똠방각하"),
        ("charset*0=ISO-; charset*1=8859-7", "iso8859-7", "λόγος"),
        (";; charset=windows-1251", "cp1251", "привет"),
        ("charset=x-sjis", "cp932", "東京①"),
        ("charset=csISOLatin1", "cp1252", "„5 €“"),
    ],
)
def test_charsets_by_any_name_and_form(parameter: str, charset: str, word: str) -> None:
    content = f"Content-Type: text/plain; {parameter}\r\n\r\n".encode() + word.encode(charset)
    assert any(word.casefold() in piece for piece in searchtext.body_texts(content, scan(content)[1], 30))
    encoded = base64.b64encode(word.encode(charset))
    assert searchtext.header_text(b"=?%b?B?%b?=" % (charset.encode(), encoded)) == word.casefold()


def test_x9_a_run_of_utf_7_without_end_is_not_read_again_and_again() -> None:
    assert "日本" in "".join(pieces("Wien 日本 Wien 日本 Wien 日本".encode("utf-7"), "8bit", 0, "utf-7"))
    found = pieces(b"+" + b"AGEA" * 30, "8bit", 0, "utf-7")
    assert "+" + "agea" * 30 in "".join(found)
