"""Who wrote it. RFC 5322 sections 3.4 and 4.4; the ways in which readers were confused about it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.headermailboxes import author, parse_address_list, senders
from postroom.mail.headers import read_headers

GOOD = [
    (b"ada@x.example", [b"ada@x.example"]),
    (b"Ada <ada@x.example>", [b"ada@x.example"]),
    (b'"Ada, Countess" <ada@x.example>', [b"ada@x.example"]),
    (b"A. B. Lovelace <ada@x.example>", [b"ada@x.example"]),
    (b"<ada@x.example>", [b"ada@x.example"]),
    (b"a@x.example, B <b@y.example>,, c@z.example", [b"a@x.example", b"b@y.example", b"c@z.example"]),
    (b"Team: a@x.example, b@y.example;", [b"a@x.example", b"b@y.example"]),
    (b"Nobody:;", []),
    (b"", []),
    (b"(a (nested) comment) ada (x) @ (y) x.example (Ada)", [b"ada@x.example"]),
    (b'"a b"@x.example', [b"a b@x.example"]),
    (b'"a\\"b"@x.example', [b'a"b@x.example']),
    (b'a."b c".d@x.example', [b"a.b c.d@x.example"]),
    (b"ada@[192.0.2.1]", [b"ada@[192.0.2.1]"]),
    (b"<@r.example,@s.example:ada@x.example>", [b"ada@x.example"]),
    (b"=?utf-8?q?Ad=C3=A1?= <ada@x.example>", [b"ada@x.example"]),
    (b"Ad\xc3\xa1 <ad\xc3\xa1@x\xc3\xa9.example>", [b"ad\xc3\xa1@x\xc3\xa9.example"]),
    (b"Smith, John <j@x.example>", [b"j@x.example"]),
    (b"a@x.example (<b@y.example>)", [b"a@x.example"]),
]


@pytest.mark.parametrize(("text", "addresses"), GOOD)
def test_well_formed_lists(text: bytes, addresses: list[bytes]) -> None:
    found = parse_address_list(text)
    assert [box.address for box in found.mailboxes] == addresses
    assert found.malformed == ""


MALFORMED = [
    b"a@x.example b@y.example",
    b"<a@x.example><b@y.example>",
    b"<a@x.example> b@y.example",
    b"a@x.example <b@y.example>",
    b"a@b@x.example",
    b"<a@x.example",
    b"a@x.example>",
    b"a@",
    b"@x.example",
    b"a@x..example",
    b".a@x.example",
    b"a@.x.example",
    b'"a@x.example',
    b"(a@x.example",
    b"a@x.example)",
    b"a@x.example\x00.y.example",
    b"a\nb@x.example",
    b"a\rb@x.example",
    b"\x0ba@x.example",
    b"a@[x",
    b"a@[\x00]",
    b"Team: a@x.example",
    b"a@x.example; b@y.example",
    b"a: b: c@x.example;",
    b"<@r.example>",
    b"<@r.example ada@x.example>",
    b"a@x.example\\",
    b"[a]@x.example",
    b"a@x.example <>",
    b"=?utf-8?b?YUB4LmV4YW1wbGU=?=",
    b"=?utf-8?b?YUB4LmV4YW1wbGU=?=, b@y.example",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_x10_what_is_no_list_is_reported_and_not_guessed(text: bytes) -> None:
    assert parse_address_list(text).malformed


def test_x9_comments_nest_so_deep_and_no_deeper() -> None:
    assert parse_address_list(b"(" * 32 + b")" * 32 + b"a@x.example").malformed == ""
    assert parse_address_list(b"(" * 33 + b")" * 33 + b"a@x.example").malformed
    assert parse_address_list(b"(" * 100_000).malformed


def test_x9_many_fields_share_one_allowance() -> None:
    header = (b"From: " + b"a," * 20_000 + b"\r\n") * 20
    found = author(read_headers(header + b"\r\n"))
    assert (found.fields, found.malformed) == (20, "too long")


def test_x9_mailboxes_are_counted() -> None:
    assert parse_address_list(b"a@x.example," * 1001).malformed == "too many mailboxes"


HOSTILE = [
    b"(",
    b")",
    b"<",
    b'"',
    b"\\",
    b"a,",
    b"a@b,",
    b":",
    b";",
    b"()",
    b'""',
    b"=?",
    b".",
    b"[",
    b"(\\",
    b" ",
]


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_x9_time_grows_with_the_size_and_no_faster(piece: bytes) -> None:
    def cost(size: int) -> float:
        text = piece * (size // len(piece))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            parse_address_list(text, max_mailboxes=size)
            parse_address_list(b"(" + text, max_mailboxes=size)
            parse_address_list(b'"' + text, max_mailboxes=size)
            best = min(best, time.process_time() - start)
        return best

    assert cost(60_000) < 8 * cost(15_000) + 0.03


@given(st.binary(max_size=200))
def test_any_octets_have_an_answer(octets: bytes) -> None:
    parse_address_list(octets)


@given(st.text('a@x.,;:<>()"\\ [=?', max_size=60))
def test_a_well_formed_list_says_so_again(text: str) -> None:
    found = parse_address_list(text.encode())
    if not found.malformed:
        again = parse_address_list(
            b", ".join(b"<" + b'"' + _quoted(b.local) + b'"@' + b.domain + b">" for b in found.mailboxes)
        )
        assert [b.address for b in again.mailboxes] == [b.address for b in found.mailboxes]


def _quoted(local: bytes) -> bytes:
    return local.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def test_the_author_is_one_mailbox_of_one_field() -> None:
    found = author(read_headers(b"From: Ada <ada@X.Example>\r\n\r\n"))
    assert found.only is not None
    assert (found.only.address, found.domains) == (b"ada@X.Example", ("x.example",))


@pytest.mark.parametrize(
    ("header", "fields", "domains"),
    [
        (b"To: x@y.example\r\n", 0, ()),
        (b"From: a@x.example\r\nFrom: b@y.example\r\n", 2, ("x.example", "y.example")),
        (b"From: a@x.example, b@y.example\r\n", 1, ("x.example", "y.example")),
        (b"From: a@x.example, b@x.example\r\n", 1, ("x.example",)),
        (b"From:\r\n", 1, ()),
        (b"From: a@x.example\r\nfrom : b@y.example\r\n", 2, ("x.example", "y.example")),
    ],
)
def test_x30_several_authors_are_seen(header: bytes, fields: int, domains: tuple[str, ...]) -> None:
    found = author(read_headers(header + b"\r\n"))
    assert (found.fields, found.domains) == (fields, domains)
    assert found.only is None


def test_x30_senders_come_from_all_fields_that_claim_one() -> None:
    header = b"Sender: a@x.example\r\nResent-From: b@y.example\r\nResent-Sender: c@z.example\r\n"
    header += b"From: d@w.example\r\n"
    found = senders(read_headers(header + b"\r\n"))
    assert [box.address for box in found.mailboxes] == [b"a@x.example", b"b@y.example", b"c@z.example"]
    assert senders(read_headers(b"Sender: <a@x.example\r\n\r\n")).malformed
