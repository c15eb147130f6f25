"""Address fields that are none by the grammar. RFC 5322 section 3.4; X10, X27, X30."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.mail.headermailboxes import author, parse_address_list
from postroom.mail.headers import read_headers
from postroom.mail.phrases import tidy_phrase
from postroom.mail.tidying import tidied
from postroom.mail.untidy import read_untidy

ANGLES = [
    # the field, the name before the angle address
    (b"info@shop.example <a@x.example>", b"info@shop.example"),
    (b"[List] a: b; c & d @ e \\ f . <a@x.example>", b"[List] a: b; c & d @ e \\ f ."),
    (b"DOMAIN\\user <a@x.example>", b"DOMAIN\\user"),
    (b"J. R. @home <a@x.example>;", b"J. R. @home"),
    (b'5" disks <a@x.example>', b'5" disks'),
    (b'"Ada" [x] <a@x.example> (work)', b'"Ada" [x]'),
    (b"Ada (1 <a@x.example>", b"Ada (1"),
    (b"Ada) <a@x.example>,", b"Ada)"),
    (b"Doe; John <a@x.example>", b"Doe; John"),
    (b"=?utf-8?q?M=C3=BCller?=, Hans <a@x.example>", b"=?utf-8?q?M=C3=BCller?=, Hans"),
    (b"Caf\xe9 [Paris] <a@x.example>", b"Caf\xe9 [Paris]"),
    (b"<a@x.example>", b""),
]


@pytest.mark.parametrize(("text", "name"), ANGLES)
def test_one_angle_address_at_the_end_is_the_author(text: bytes, name: bytes) -> None:
    found = read_untidy(text)
    assert (found.domains, found.name, found.angle) == ((b"x.example",), name, b"a@x.example")
    assert not found.doubtful


@pytest.mark.parametrize(
    ("text", "domains"),
    [
        (b"MAILER-DAEMON <>", ()),
        (b"root (Cron Daemon)", ()),
        (b"=?utf-8?q?Postzustellung?= <>", ()),
        (b"", ()),
        (b"ceo (ceo@bank.example)", (b"bank.example",)),
        (b"a..b@docomo.example", (b"docomo.example",)),
        (b"a.@docomo.example.", (b"docomo.example",)),
        (b"a@x..example", (b"x..example",)),
        (b"a@X . Example", (b"x.example", b"x")),
        (b"<a@x.example> b@y.example", (b"x.example", b"y.example")),
        (b"a@x.example; b [c] <b@y.example>", (b"x.example", b"y.example")),
        (b'"a@x.example", b [c] <b@y.example>', (b"x.example", b"y.example")),
        (b"=?utf-8?b?YUB4LmV4YW1wbGU=?=, [c] <b@y.example>", (b"x.example", b"y.example")),
        (b"a@[192.0.2.1]", (b"[192.0.2.1]",)),
        (b"<a@x.example b@y.example>", (b"x.example", b"y.example")),
        # nobody in the angle brackets: the name is what a reader sees
        (b"ceo@bank.example <>", (b"bank.example",)),
        (b'"ceo@bank.example" <root>', (b"bank.example",)),
        (b"=?utf-8?q?ceo=40bank.example?= <>", (b"bank.example",)),
        (b"root @ home <>", ()),
        # a quote or bracket without an end may swallow the angle address
        (b"ceo@bank.example ( <a@x.example>", (b"bank.example", b"x.example")),
        (b'ceo@bank.example " <a@x.example>', (b"bank.example", b"x.example")),
        (b"ceo@bank.example [(y) <a@x.example>", (b"bank.example", b"x.example")),
        (b"(ceo@bank.example <a@x.example>", (b"x.example",)),
        (b"ceo@bank.example [y] (z) <a@x.example>", (b"x.example",)),
        # encoded words that belong together, hold blanks or lack their end
        (b"=?utf-8?q?ceo=40ba?= =?utf-8?q?nk.example?=", (b"ba", b"bank.example")),
        (b"=?utf-8?q?ceo=40?=bank.example", (b"bank.example",)),
        (b"ceo@=?utf-8?q?bank.example?=", (b"bank.example",)),
        (b"=?utf-8?q?ceo=40bank.example ?=", (b"bank.example",)),
        (b"=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ?=", (b"bank.example",)),
        # what looks like an @, and marks that readers take away
        ("ceo\uff20bank.example".encode(), (b"bank.example",)),
        (b"=?utf-8?q?ceo=EF=B9=ABbank.example?=", (b"bank.example",)),
        (b"ceo@bank\\.example", (b"bank", b"bank.example")),
    ],
)
def test_everybody_who_could_be_shown_is_found(text: bytes, domains: tuple[bytes, ...]) -> None:
    assert set(read_untidy(text).domains) == set(domains)


@pytest.mark.parametrize(
    "text",
    [
        b"ceo@ba\x08nk.example",
        b"=?utf-7?q?ceo+AEA-bank?=",
        b"=?UTF-16?b?AEA=?=, x <a@x.example>",
        b"<a\x1b@x>",
        b"=?utf-7?q?ceo+AEA-bank.example?= <>",
    ],
)
def test_what_may_look_like_an_address_to_others_is_doubtful(text: bytes) -> None:
    assert read_untidy(text).doubtful


def test_a_report_may_have_a_name_in_a_charset_with_escapes() -> None:
    assert not read_untidy(b"=?iso-2022-jp?b?GyRCJUYlOSVIGyhC?= <>").doubtful


TIDIED = [
    (b"From: ada@alpha.example\r\n", None),
    (b'from: "Ada" <ada@alpha.example>\r\n', None),
    (b"From: Ada L. <ada@alpha.example>\r\n", None),
    (b"From: ada@alpha.example (Ada)\r\n", None),
    (b"From: a@x.example, B <b@x.example>\r\n", None),
    (b"From: info@shop.example <ada@x.example>\r\n", b'From: "info@shop.example" <ada@x.example>\r\n'),
    (
        b'From: [List] a: b; \\ "c"\r\n <ada@x.example>;\r\n',
        b'From: "[List] a: b; \\\\ c" <ada@x.example>\r\n',
    ),
    (b"FROM : Smith, John <j@x.example>\r\n", b'FROM: "Smith, John" <j@x.example>\r\n'),
    (
        b"From: =?utf-8?q?J=C3=B6rg?= [x] <h@x.example>\r\n",
        b'From: =?utf-8?q?J=C3=B6rg?= "[x]" <h@x.example>\r\n',
    ),
    (
        b"From: =?utf-8?q?M=C3=BCller?=, Hans <h@x.example>\r\n",
        b'From: =?utf-8?q?M=C3=BCller?= ", Hans" <h@x.example>\r\n',
    ),
    (b"From: M\xc3\xbcller [x] <h@x.example>\r\n", b"From: =?utf-8?b?TcO8bGxlciBbeF0=?= <h@x.example>\r\n"),
    (b"From: Caf\xe9: <h@x.example>\r\n", b"From: =?utf-8?b?Q2Fmw6k6?= <h@x.example>\r\n"),
    (b"Sender: ada@x.example (<bob@x.example>)\r\n", b"Sender: <ada@x.example>\r\n"),
    (b"From: <@bob.example:ada@x.example>\r\n", b"From: <ada@x.example>\r\n"),
    (b"From: bob, ada@x.example\r\n", b"From: <ada@x.example>\r\n"),
    (b"From: a\x07b: <ada@x.example>\r\n", b'From: "a?b:" <ada@x.example>\r\n'),
    (b'From: [x] <"a b"@x.example>\r\n', b'From: "[x]" <"a b"@x.example>\r\n'),
    (b"From: =?utf-8?q?bob=40x.example?=:; ada@x.example\r\n", b"From: <ada@x.example>\r\n"),
    (b"From: ada@x.example;\r\n", b"From: <ada@x.example>\r\n"),
    (b"From: ada@x.example.\r\n", b"From: <ada@x.example>\r\n"),
    (b"From: Ada <ada@x.example.>\r\n", b'From: "Ada" <ada@x.example>\r\n'),
    (b"From: ada@x.example., \r\n", b"From: <ada@x.example>\r\n"),
    (b"From: [x] <ada@x.example.>\r\n", b'From: "[x]" <ada@x.example>\r\n'),
    (
        b"From: =?utf-8?q?" + b"y" * 1200 + b"?= <ada@x.example> (<bob@x.example>)\r\n",
        b'From: "=?utf-8?q?' + b"y" * 190 + b'"\r\n <ada@x.example>\r\n',
    ),
    # what cannot be read, or only in several ways, stays for the caller to refuse
    (b"From: MAILER-DAEMON <>\r\n", None),
    (b"From: bob@x.example, [y] <ada@x.example>\r\n", None),
    (b"From: <ada@x.example> <bob@x.example>\r\n", None),
    (b"From: <ada@x.example> bob\r\n", None),
    (b"From: a..b@x.example\r\n", None),
    (b"From: [x] <a..b@x.example>\r\n", None),
]


@pytest.mark.parametrize(("raw", "written"), TIDIED)
def test_what_is_sent_can_be_read_in_one_way(raw: bytes, written: bytes | None) -> None:
    (field,) = read_headers(raw).fields
    assert tidied(field) == (raw if written is None else written)
    if written is not None:
        (again,) = read_headers(written).fields
        assert tidied(again) == written


PIECES = [b"a@x.example", b"b@y.example", b"<", b">", b",", b";", b":", b'"', b"\\", b"(", b")", b"[", b" ", b"@", b".", b"c",
          b"=?utf-8?q?d?=", b"\x07", b"\xff"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_x30_what_is_tidied_names_one_author_whom_nobody_can_misread(pieces: list[bytes]) -> None:
    raw = b"From: " + b"".join(pieces) + b"\r\n"
    (field,) = read_headers(raw).fields
    written = tidied(field)
    if written == raw:
        return
    (again,) = read_headers(written).fields
    found = parse_address_list(again.value)
    assert not found.malformed
    assert set(read_untidy(again.value).domains) >= {box.domain for box in found.mailboxes}
    assert b"\x07" not in written
    assert written.isascii()


@pytest.mark.parametrize(
    "domain", [b"bank.example=?utf-8?q??=", b"bank.example!x", b"bank.example/..", b"bank.example'"]
)
def test_x27_a_domain_that_goes_on_in_strange_octets_counts_without_them(domain: bytes) -> None:
    assert author(read_headers(b"From: ceo@" + domain + b"\r\n\r\n")).domains == ("bank.example",)


@pytest.mark.parametrize(
    "text",
    [
        b'=?x?q?"?= <ceo@bank.example>, "<a@x.example>',
        b'=?x?q?" ?= <ceo@bank.example>, "<a@x.example>',
        b"=?x?q?(?= <ceo@bank.example> =?x?q?)?= <a@x.example>",
        b"a@x.example (<ceo@bank.example>)",
        b'a@x.example (y ("<ceo@bank.example>"))',
        b"=?x?q?ceo<ceo@bank.example>?= <a@x.example>",
        b"=?x?q?ceo=40bank.example=2C?=a@x.example",
        b"<a+=?x?b?LCBjZW9AYmFuay5leGFtcGxl?=@x.example>",
    ],
)
def test_x27_a_field_that_readers_read_differently_names_all_whom_they_see(text: bytes) -> None:
    found = author(read_headers(b"From: " + text + b"\r\n\r\n"))
    assert set(found.domains) == {"bank.example", "x.example"}
    assert found.only is None


@pytest.mark.parametrize(
    "text",
    [
        b'=?utf-8?q?A_"B"?= <a@x.example>',
        b"=?utf-8?q?A_(B)?= <a@x.example> (c <d>)",
        b'"A (<ceo@bank.example>" <a@x.example>',
        b'=?utf-8?q?A?= "B" <a@x.example> (d@y.example)',
    ],
)
def test_what_all_read_alike_has_one_author(text: bytes) -> None:
    only = author(read_headers(b"From: " + text + b"\r\n\r\n")).only
    assert only is not None
    assert only.address == b"a@x.example"


@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_x27_whoever_a_tidy_list_names_is_found_in_rubbish_too(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    strict = parse_address_list(text)
    if not strict.malformed and b"(" not in text and b'"' not in text:
        found = set(read_untidy(text + b" [ <").domains)
        wanted = {box.domain.partition(b"=")[0] for box in strict.mailboxes if b"." in box.domain}
        assert {domain.lower() for domain in wanted} <= found


@given(st.binary(max_size=200))
def test_any_octets_have_an_answer(octets: bytes) -> None:
    read_untidy(octets)
    assert (
        author(read_headers(b"From: " + octets.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n\r\n")).fields
        == 1
    )


@pytest.mark.parametrize("name", [b"", b"Ada", b'A "B" C', b"=?utf-8?q?x?= y", b"a\xffb", b"x" * 5000])
def test_names_become_phrases(name: bytes) -> None:
    found = parse_address_list(f"{tidy_phrase(name)}<a@x.example>".encode("ascii"))
    assert not found.malformed
    assert [box.address for box in found.mailboxes] == [b"a@x.example"]


HOSTILE = [
    b"(",
    b")",
    b"<",
    b'"',
    b"\\",
    b'\\"',
    b"@",
    b"a@b,",
    b"@ ",
    b"@.",
    b"()",
    b"((",
    b'""',
    b"=?",
    b"=?a?q?",
    b"a.",
    b"[",
]


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_x9_time_grows_with_the_size_and_no_faster(piece: bytes) -> None:
    def cost(size: int) -> float:
        text = piece * (size // len(piece))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            for field in (text, b'"' + text, b"(" + text, text + b"<a@b>"):
                read_untidy(field)
                tidy_phrase(field)
            best = min(best, time.process_time() - start)
        return best

    assert cost(60_000) < 8 * cost(15_000) + 0.03
