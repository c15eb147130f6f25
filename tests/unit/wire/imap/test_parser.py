"""Commands as clients write them. RFC 3501 section 9 and the extensions' grammars."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.contracts import search as k
from postroom.contracts.search import STAR
from postroom.mail.dates import EARLIEST, LATEST
from postroom.wire.imap import (
    appending,
    fetching,
    folders,
    listing,
    login,
    messages,
    quotas,
    responses,
    searching,
    selecting,
)
from postroom.wire.imap.commands import Command, State, Tagged
from postroom.wire.imap.fetchitems import Item, Section, Text
from postroom.wire.imap.framing import Frame, Framer, FramingLimits
from postroom.wire.imap.parser import VERBS, Malformed, parse
from postroom.wire.imap.sequence import SequenceSet

ONE = SequenceSet(((1, 1),))
ALL = SequenceSet(((1, STAR),))


def read(octets: bytes, state: State = State.SELECTED) -> Tagged:
    framer = Framer(FramingLimits(command=65536, literal=65536, message=1 << 20))
    framer.feed(octets + b"\r\n")
    frame = framer.next_event()
    assert isinstance(frame, Frame)
    return parse(frame, state)


CASES = [
    (b"NOOP", login.Noop()),
    (b"select INBOX", selecting.Select("INBOX", True)),
    (b'EXAMINE "a b" (CONDSTORE)', selecting.Select("a b", False, True)),
    (b"CREATE a/b/", folders.Create("a/b")),
    (b"CREATE a (USE (\\Sent \\x))", folders.Create("a", ("\\Sent", "\\x"))),
    (b'RENAME "a" {1+}\r\nb', folders.Rename("a", "b")),
    (b"SUBSCRIBE a", folders.Subscribe("a", True)),
    (b"UNSUBSCRIBE a", folders.Subscribe("a", False)),
    (b'LIST "" %', listing.List("", ("%",))),
    (b'LIST () "" (a "b c") RETURN ()', listing.List("", ("a", "b c"), extended=True)),
    (
        b'list (subscribed) a/ % return (status (messages recent) special-use)',
        listing.List("a/", ("%",), frozenset({b"SUBSCRIBED"}), frozenset({b"STATUS", b"SPECIAL-USE"}),
               (b"MESSAGES", b"RECENT"), True),
    ),
    (b'LSUB "" a%', listing.Lsub("", "a%")),
    (b"STATUS a (UNSEEN UNSEEN HIGHESTMODSEQ)", listing.StatusOf("a", (b"UNSEEN", b"HIGHESTMODSEQ"))),
    (
        b'APPEND a (\\SEEN k) " 1-Feb-2024 23:59:59 -0130" {2+}\r\nhi',
        appending.Append("a", frozenset({"\\Seen", "k"}), 1706837399, b"hi"),
    ),
    (b"APPEND a {0+}\r\n", appending.Append("a", frozenset(), None, b"")),
    (b"ENABLE CONDSTORE x", login.Enable((b"CONDSTORE", b"X"))),
    (b"ID NIL", login.Id()),
    (b'ID ("name" "x" "os" NIL)', login.Id()),
    (b"ID ()", login.Id()),
    (b'GETQUOTA ""', quotas.GetQuota(b"")),
    (b"GETQUOTAROOT INBOX", quotas.GetQuotaRoot("INBOX")),
    (b'SETQUOTA "" (STORAGE 5 MESSAGE 7)', quotas.SetQuota()),
    (b"UID EXPUNGE 1", messages.Expunge(ONE)),
    (b"FETCH 1 FAST", fetching.Fetch(ONE, False, (Item.FLAGS, Item.INTERNALDATE, Item.SIZE))),
    (b"FETCH 1 BODY", fetching.Fetch(ONE, False, (Item.BODY,))),
    (b"UID FETCH 1:* (UID FLAGS FLAGS)", fetching.Fetch(ALL, True, (Item.UID, Item.FLAGS))),
    (b"FETCH 1 (FLAGS) (CHANGEDSINCE 9)", fetching.Fetch(ONE, False, (Item.FLAGS, Item.MODSEQ), 9)),
    (b"FETCH 1 BODY[]", fetching.Fetch(ONE, False, (Section(b"BODY[]", Text.ALL),))),
    (
        b"FETCH 1 body.peek[1.2.header.fields.not (\"To\" x)]<5.7>",
        fetching.Fetch(ONE, False, (Section(
            b"BODY[1.2.HEADER.FIELDS.NOT (To x)]<5>", Text.FIELDS_NOT, (1, 2), frozenset({b"TO", b"X"}), 5, 7, True
        ),)),
    ),
    (b"STORE 1 -FLAGS.SILENT \\Seen k", messages.StoreFlags(ONE, False, "-", True, frozenset({"\\Seen", "k"}))),
    (b"UID STORE 1 (UNCHANGEDSINCE 0) FLAGS ()", messages.StoreFlags(ONE, True, "", False, frozenset(), 0)),
    (b"UID MOVE 1 b", messages.CopyMessages(ONE, True, "b", True)),
    (b"COPY 1:* b", messages.CopyMessages(ALL, False, "b")),
    (b"SEARCH ALL", searching.Search(k.All(), False)),
    (b"UID SEARCH RETURN () 1", searching.Search(k.Members(ONE.ranges, False), True, frozenset({b"ALL"}))),
    (b'SEARCH CHARSET "KS_C_5601-1987" TEXT {2+}\r\n\xb1\xdb', searching.Search(k.Body("글", header=True), False)),
    (b"SEARCH CHARSET iso-8859-1 HEADER X-A {1+}\r\n\xfc", searching.Search(k.Header(b"X-A", "ü"), False)),
    (b"SEARCH CHARSET us-ascii BODY {2+}\r\n\xc3\xa4", searching.Search(k.Body("ä", header=False), False)),
    (b"SEARCH CHARSET utf-8 SUBJECT {2+}\r\n\xc3\xa4", searching.Search(k.InEnvelope(b"SUBJECT", "ä"), False)),
    (
        b'SEARCH OR SEEN NOT (FROM "a" UID 1) SENTON "1-Jan-2020" HEADER x-y ""',
        searching.Search(
            k.And((
                k.Or(
                    k.Flagged("\\Seen", True),
                    k.Not(k.And((k.InEnvelope(b"FROM", "a"), k.Members(ONE.ranges, True)))),
                ),
                k.Day(k.When.ON, date(2020, 1, 1), True),
                k.Header(b"X-Y", ""),
            )),
            False,
        ),
    ),
    (b"SEARCH UNKEYWORD k LARGER 5 MODSEQ 7 TEXT x NEW", searching.Search(
        k.And((k.Flagged("k", False), k.Size(5, True), k.ModSeq(7), k.Body("x", True),
               k.And((k.Recent(True), k.Flagged("\\Seen", False))))), False)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("octets", "command"), CASES, ids=[octets[:40].decode("latin-1") for octets, _ in CASES]
)
def test_commands(octets: bytes, command: Command) -> None:
    assert read(b"tag1 " + octets).command == command
    assert read(b"tag1 " + octets).tag == b"tag1"


@pytest.mark.parametrize(
    ("octets", "command"),
    [
        (b"LOGIN ada {1+}\r\nx", login.PasswordLogin(b"ada", b"x")),
        (b'LOGIN "a\\"b" "\xc3\xa4"', login.PasswordLogin(b'a"b', b"\xc3\xa4")),
        (b"AUTHENTICATE plain =", login.Authenticate("PLAIN", b"=")),
        (b"AUTHENTICATE LOGIN", login.Authenticate("LOGIN")),
        (b"STARTTLS", login.StartTls()),
    ],
)
def test_commands_before_login(octets: bytes, command: Command) -> None:
    assert read(b"a " + octets, State.NOT_AUTHENTICATED).command == command


@pytest.mark.parametrize(
    "octets",
    [
        b"", b" NOOP", b"a", b"a ", b"a  NOOP", b"+a NOOP", b"a XYZ", b"a SELECT", b"a SELECT a b",
        b"a SELECT (a)", b"a FETCH 1", b"a FETCH 1 ()", b"a FETCH 0 FLAGS", b"a FETCH 1 BODY[MIME]",
        b"a FETCH 1 BODY[1.]",
        b"a FETCH 1 BODY[0]", b"a FETCH 1 BODY[1TEXT]", b"a FETCH 1 BODY[]<1.0>", b"a FETCH 1 BODY[HEADER.FIELDS ()]",
        b"a FETCH 1 (FAST)", b"a FETCH 1 ENVELOPE[]", b"a STORE 1 FLAGS \\Recent", b"a STORE 1 FLAGS \\Strange", b"a STORE 1 FLAGS " + b"k" * 101,
        b"a STORE 1 +FLAG x", b"a SEARCH", b"a SEARCH ()", b"a SEARCH NOT", b"a SEARCH OR SEEN",
        b"a SEARCH ON 1-1-2020",
        b"a SEARCH SINCE 31-Feb-2020", b"a SEARCH LARGER -1", b"a SEARCH RETURN (SAVE) ALL", b"a UID NOOP", b"a UID",
        b'a LIST "" a RETURN (X)', b'a LIST (RECURSIVEMATCH) "" a', b'a LIST (X) "" a', b"a STATUS a ()",
        b"a STATUS a (X)",
        b"a APPEND a", b"a APPEND a x", b"a ID", b'a ID ("a")',
        b'a APPEND a "01-Feb-2024 25:00:00 +0000" {1+}\r\nx', b"a NOOP\x01", b"a GETQUOTA", b"a SETQUOTA x STORAGE",
        b"a COPY 1", b'a SELECT "a', b"a SEARCH FROM {1+}\r\n\0", b"a FETCH 99999999999 FLAGS",
    ],
)  # fmt: skip
def test_mistakes_are_bad(octets: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        read(octets)
    assert caught.value.condition == b"BAD"
    assert b"\r" not in caught.value.text


def test_names_and_charsets_that_cannot_be_are_no() -> None:
    for octets, code in (
        (b"a SELECT &", b"CANNOT"),
        (b"a SEARCH CHARSET x ALL", b"BADCHARSET (US-ASCII UTF-8)"),
    ):
        with pytest.raises(Malformed) as caught:
            read(octets)
        assert (caught.value.condition, caught.value.code, caught.value.tag) == (b"NO", code, b"a")


@pytest.mark.parametrize("verb", VERBS)
def test_states_are_kept(verb: bytes) -> None:
    for state in State:
        if state in VERBS[verb].states:
            continue
        with pytest.raises(Malformed, match="not allowed"):
            read(b"a " + verb + b" x", state)


def test_x05_depth_and_size_of_searches_are_limited() -> None:
    for octets in (b"(" * 60000, b"NOT " * 15000 + b"ALL", b"OR " * 20000, b"SEEN " * 10000 + b"SEEN"):
        with pytest.raises(Malformed, match="complex"):
            read(b"a SEARCH " + octets)
    with pytest.raises(Malformed):
        read(b"a FETCH 1 (" + b"FLAGS " * 9000 + b"FLAGS)")
    with pytest.raises(Malformed):
        read(b"a FETCH 1 BODY[" + b"1." * 30000 + b"1]")
    with pytest.raises(Malformed):
        read(b"a ID (" + b'"a" "b" ' * 5000 + b'"a" "b")')


@pytest.mark.parametrize(
    ("loose", "strict"),
    [
        (b"NOOP ", b"NOOP"),
        (b"SELECT   INBOX  ", b"SELECT INBOX"),
        (b"EXAMINE a  ( CONDSTORE )", b"EXAMINE a (CONDSTORE)"),
        (b"CREATE a  (USE  ( \\Sent ) )", b"CREATE a (USE (\\Sent))"),
        (b"RENAME  a  b", b"RENAME a b"),
        (
            b'LIST  ""   ( a  b )  RETURN  ( STATUS  ( MESSAGES ) )',
            b'LIST "" (a b) RETURN (STATUS (MESSAGES))',
        ),
        (b'LIST  ( SUBSCRIBED )  ""  *', b'LIST (SUBSCRIBED) "" *'),
        (b'LSUB  ""  *', b'LSUB "" *'),
        (b"STATUS  a  ( MESSAGES  UNSEEN )", b"STATUS a (MESSAGES UNSEEN)"),
        (
            b'APPEND  a  ( \\Seen  k )  "1-Feb-2024  23:59:59  -0130"  {2+}\r\nhi ',
            b'APPEND a (\\Seen k) " 1-Feb-2024 23:59:59 -0130" {2+}\r\nhi',
        ),
        (b"APPEND a ( ) {1+}\r\nx", b"APPEND a () {1+}\r\nx"),
        (b'ID  ( "a"  "b"  "c"  NIL )', b'ID ("a" "b" "c" NIL)'),
        (b'SETQUOTA  ""  ( STORAGE  5 )', b'SETQUOTA "" (STORAGE 5)'),
        (
            b"UID  FETCH  1:2  ( FLAGS  UID )  ( CHANGEDSINCE  9 )",
            b"UID FETCH 1:2 (FLAGS UID) (CHANGEDSINCE 9)",
        ),
        (b"FETCH 1  BODY[HEADER.FIELDS  ( To  From )] ", b"FETCH 1 BODY[HEADER.FIELDS (To From)]"),
        (b"STORE  1  ( UNCHANGEDSINCE  3 )  +FLAGS  ( k )", b"STORE 1 (UNCHANGEDSINCE 3) +FLAGS (k)"),
        (b"STORE 1 FLAGS k  l ", b"STORE 1 FLAGS k l"),
        (b"COPY  1  a", b"COPY 1 a"),
        (
            b"UID  SEARCH  RETURN  ( MIN )  CHARSET  UTF-8  ( OR  SEEN  NOT  DELETED )  HEADER  x  y ",
            b"UID SEARCH RETURN (MIN) CHARSET UTF-8 (OR SEEN NOT DELETED) HEADER x y",
        ),
    ],
)
def test_superfluous_spaces_and_days_of_one_digit(loose: bytes, strict: bytes) -> None:
    assert read(b"a " + loose) == read(b"a " + strict)


@given(st.lists(st.integers(1, 40), min_size=5, max_size=5))
def test_any_number_of_spaces(widths: list[int]) -> None:
    pieces = [b"a UID", b"STORE", b"1:*", b"+FLAGS", b"(\\Seen", b"k)"]
    loose = b"".join(piece + b" " * width for piece, width in zip(pieces, [*widths, 0], strict=True))
    assert read(loose) == read(b" ".join(pieces))


@pytest.mark.parametrize(
    ("octets", "command"),
    [
        (b'LIST "" &', listing.List("", ())),
        (b'LIST "" "a&b*"', listing.List("", ())),
        (b'LIST "" {2+}\r\n\xc3\xa4', listing.List("", ())),
        (b'LIST "" {2+}\r\n\x01*', listing.List("", ())),
        (b'LIST "" &AGE-', listing.List("", ())),  # an `a` in base64 is nobody's spelling
        (b'LIST "&" *', listing.List("", ())),
        (b'LIST "" (& a "&&")', listing.List("", ("a",), extended=True)),
        (b'LIST "" "' + b"a" * 2049 + b'"', listing.List("", ())),
        (b'LSUB "" &', listing.Lsub("", None)),
        (b'LSUB "&" *', listing.Lsub("", None)),
    ],
)
def test_patterns_that_no_name_can_match(octets: bytes, command: Command) -> None:
    assert read(b"a " + octets).command == command


@pytest.mark.parametrize(
    ("text", "date"),
    [
        (b" 1-Jan-1970 00:00:00 +0000", 0),
        (b"31-Dec-1969 23:59:59 +0000", -1),
        (b"01-Jan-1970 01:00:00 +0100", 0),
        (b"31-Dec-9999 23:59:59 +0000", LATEST),
        (b"31-Dec-9999 23:59:59 -0500", LATEST),
        (b"31-Dec-9999 23:59:59 -2359", LATEST),
        (b"01-Jan-0001 00:00:00 +0000", EARLIEST),
        (b"01-Jan-0001 00:00:00 +2359", EARLIEST),
        (b"31-Dec-2016 23:59:60 +0000", 1483228799),
    ],
)
def test_dates_of_append(text: bytes, date: int) -> None:
    command = read(b'a APPEND x "' + text + b'" {1+}\r\nm').command
    assert isinstance(command, appending.Append)
    assert command.date == date


@given(st.datetimes(), st.integers(-1439, 1439))
def test_every_date_of_append_can_be_shown_again(moment: datetime, minutes: int) -> None:
    month = responses.date_time(int(moment.replace(tzinfo=UTC).timestamp())).decode()[4:7]
    hours, rest = divmod(abs(minutes), 60)
    text = f"{moment:%d}-{month}-{moment.year:04d} {moment:%H:%M:%S} {'-' if minutes < 0 else '+'}{hours:02d}{rest:02d}"
    command = read(f'a APPEND x "{text}" {{1+}}\r\nm'.encode()).command
    assert isinstance(command, appending.Append)
    assert command.date is not None
    assert EARLIEST <= command.date <= LATEST
    assert len(responses.date_time(command.date)) == 28


@given(st.sampled_from(sorted(VERBS)), st.binary(max_size=60))
def test_any_octets_are_judged(verb: bytes, octets: bytes) -> None:
    line = octets.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"").replace(b"}", b"")
    for state in (State.NOT_AUTHENTICATED, State.SELECTED):
        try:
            read(b"a " + verb + b" " + line, state)
        except Malformed as mistake:
            assert mistake.condition in (b"BAD", b"NO")


WORDS = st.sampled_from(
    [b"(", b")", b" ", b"NOT", b"OR", b"SEEN", b"1:*", b"FROM", b'"x"', b"{1+}\r\nx", b"BODY[", b"]", b"<1.2>",
    b"FLAGS",
     b"UID", b"RETURN", b"HEADER.FIELDS", b"1", b"MODSEQ", b"*", b"SINCE", b"1-Feb-2024", b"\\Seen", b"NIL"]
)  # fmt: skip


@given(
    st.sampled_from([b"SEARCH", b"FETCH", b"STORE", b"LIST", b"ID", b"UID FETCH"]),
    st.lists(WORDS, max_size=14),
)
def test_almost_commands_are_judged(verb: bytes, words: list[bytes]) -> None:
    try:
        read(b"a " + verb + b" " + b" ".join(words))
        read(b"a " + verb + b" " + b"".join(words))
    except Malformed as mistake:
        assert mistake.tag == b"a"
