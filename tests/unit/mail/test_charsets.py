"""Charsets by all names that are in use."""

import codecs
import contextlib
import encodings.aliases
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.charset_labels import LABELS
from postroom.mail.charsets import codec_of

WHATWG = [
    line.split()
    for line in Path(__file__).with_name("whatwg_labels.txt").read_text().splitlines()
    if not line.startswith("#")
]
# What the standard calls an encoding that Python calls otherwise, or has a superset of, or cannot read beyond ASCII.
CODECS = {
    "ibm866": {"cp866"}, "iso-8859-8-i": {"iso8859-8"}, "macintosh": {"mac-roman"}, "x-mac-cyrillic": {"mac-cyrillic"},
    "windows-874": {"cp874"}, "gbk": {"gb18030"}, "big5": {"big5hkscs"}, "euc-jp": {"euc_jp"}, "euc-kr": {"cp949"},
    "shift_jis": {"cp932"}, "iso-2022-jp": {"iso2022_jp_ext"}, "x-user-defined": {"utf-8"},
    "utf-16le": {"utf-16", "utf-16-le"}, "utf-16be": {"utf-16-be"}, "replacement": {"utf-8", "iso2022_kr", "hz"},
    "koi8-r": {"koi8-r"}, "koi8-u": {"koi8-u"},
}  # fmt: skip
# Python's codecs that are no charsets.
NO_CHARSETS = {
    "base64", "bz2", "hex", "quopri", "rot13", "rot-13", "uu", "zlib", "idna", "punycode", "raw-unicode-escape", "unicode-escape",
    "mbcs", "oem", "undefined", "palmos", "charmap",
}  # fmt: skip


def python_name(label: str) -> str | None:
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return None
    return None if name.replace("_", "-").removesuffix("-codec") in NO_CHARSETS else name


@pytest.mark.parametrize(("label", "encoding"), WHATWG)
def test_every_label_of_the_encoding_standard(label: str, encoding: str) -> None:
    codec = codec_of(label)
    assert codec is not None
    plain = encoding.replace("windows-", "cp").replace("iso-8859-", "iso8859-")
    ascii_labels = {
        "us-ascii",
        "ascii",
        "ansi_x3.4-1968",
    }  # windows-1252 there; in mail it is UTF-8 far more often
    expected = {"utf-8"} if label in ascii_labels else CODECS.get(encoding, {plain})
    assert codecs.lookup(codec).name in expected
    assert codec_of(f" {label.upper()} ") == codec


@pytest.mark.parametrize(
    ("label", "octets", "text"),
    [
        ("ks_c_5601-1987", b"\xc7\xd1\xb1\xdb \x8cc", "한글 똠"),
        ("euc-kr", b"\x8cc", "똠"),
        ("iso-8859-1", b"\x80 \x93x\x94", "€ “x”"),
        ("ISO_8859-15:1998", b"\xa4", "€"),
        ("gb2312", b"\xd6\xec\xe9F", "朱镕"),
        ("x-gbk", b"\xe9F", "镕"),
        ("shift_jis", b"\x87@", "①"),
        ("x-sjis", b"\x93\xfa", "日"),
        ("windows-31j", b"\x87@", "①"),
        ("tis-620", b"\xa1\x85", "ก…"),
        ("iso-8859-8-i", b"\xf9", "ש"),
        ("utf-16le", b"a\0", "a"),
        ("UNICODE-1-1-UTF-8", b"\xc3\xbc", "ü"),
        ("us-ascii", b"\xc3\xbc", "ü"),
        ("ANSI_X3.4-1968", b"\xc3\xbc", "ü"),
        ("iso-2022-jp", b"\x1b$BF|\x1b(B \x1b(I1\x1b(B", "日 ｱ"),
        ("hz-gb-2312", b"~{VP~}", "中"),
        ("cp-850", b"\x81", "ü"),
        ("IBM037", b"\xc1", "A"),
        ("macintosh", b"\x9f", "ü"),
        ("x-mac-roman", b"\x9f", "ü"),
        ("koi8-ru", b"\xa4", "є"),
        ('"utf-8"', b"\xc3\xbc", "ü"),
    ],
)
def test_what_is_written_is_read(label: str, octets: bytes, text: str) -> None:
    codec = codec_of(label)
    assert codec is not None
    assert octets.decode(codec) == text


@pytest.mark.parametrize("label", ["", "x", "-", "unknown-8bit", "x-unknown", "idna", "punycode", "rot13", "base64",
                                   "unicode_escape", "undefined", "utf-8" * 20, "\xfc", "utf-7-imap"])  # fmt: skip
def test_what_is_no_charset(label: str) -> None:
    assert codec_of(label) is None


@pytest.mark.skipif(shutil.which("iconv") is None, reason="iconv is not installed")
def test_every_name_that_iconv_knows_and_python_can_decode() -> None:
    listed = subprocess.run(["iconv", "-l"], capture_output=True, text=True, check=True).stdout
    names = {name.rstrip("/").split("/")[0] for name in listed.replace(",", " ").split()}
    known = {name for name in names if codec_of(name)}
    assert {name for name in names if python_name(name)} <= known
    assert {
        "UHC",
        "MSCP949",
        "EUC-CN",
        "L1",
        "8859_15",
        "ISO-IR-100",
        "UNICODELITTLE",
        "RUSCII",
    } & names <= known


def test_every_name_that_python_knows() -> None:
    names = {*encodings.aliases.aliases, *encodings.aliases.aliases.values()}
    assert [name for name in sorted(names) if python_name(name) and not codec_of(name)] == []


def test_no_name_stands_twice() -> None:
    labels = " ".join(LABELS.values()).split()
    assert len(labels) == len(set(labels))


@given(st.sampled_from(sorted(LABELS)), st.binary(max_size=40))
def test_every_codec_reads_whole_texts_and_pieces(codec: str, octets: bytes) -> None:
    assert octets.decode(codec, "replace") is not None
    decoder = codecs.getincrementaldecoder(codec)("replace")
    with contextlib.suppress(UnicodeError):  # UTF-16 in pieces wants its byte order mark
        decoder.decode(octets[:7])
        decoder.decode(octets[7:], True)
