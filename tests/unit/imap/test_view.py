"""Message numbers, and when they may change. RFC 3501 section 7.4.1."""

from array import array

from postroom.contracts.account import Changes, Mailbox, Row, Selected, Status
from postroom.imap.view import View
from postroom.wire.imap import sequence


def view(*uids: int, modseq: int = 10) -> View:
    status = Status(len(uids), 0, 0, 0, 0, 100, 1, modseq)
    return View(
        Selected(Mailbox(1, "INBOX", 1), status, array("I", uids), frozenset(), 0, ("k",)), writable=True
    )


def row(uid: int, modseq: int, *flags: str) -> Row:
    return Row(uid, frozenset(flags), modseq, 0, 1)


def news(
    *rows: Row, gone: tuple[int, ...] = (), recent: frozenset[int] = frozenset(), modseq: int = 20
) -> Changes:
    return Changes(rows, gone, recent, modseq, 100)


def told(view: View, changes: Changes, *, expunges: bool = True, modseqs: bool = False) -> list[bytes]:
    pieces = view.apply(changes, expunges=expunges, modseqs=modseqs, uids=False)
    return b"".join(pieces).split(b"\r\n")[:-1]


def test_expunges_are_told_from_the_end() -> None:
    selected = view(3, 5, 7, 9)
    assert told(selected, news(gone=(3, 7))) == [b"* 3 EXPUNGE", b"* 1 EXPUNGE"]
    assert list(selected.uids) == [5, 9]
    assert selected.number(9) == 2
    assert selected.number(7) == 0


def test_expunges_wait_until_they_are_allowed() -> None:
    selected = view(3, 5, 7)
    assert told(selected, news(row(9, 15), gone=(5,)), expunges=False) == [b"* 4 EXISTS", b"* 0 RECENT"]
    assert selected.number(7) == 3
    assert told(selected, news()) == [b"* 2 EXPUNGE"]
    assert list(selected.uids) == [3, 7, 9]


def test_new_messages_and_new_flags() -> None:
    selected = view(3)
    heard = told(selected, news(row(3, 12, "\\Seen", "new"), row(4, 13), recent=frozenset({4})), modseqs=True)
    assert heard[:2] == [b"* 2 EXISTS", b"* 1 RECENT"]
    assert heard[2].startswith(b"* FLAGS (")
    assert heard[3].startswith(b"* OK [PERMANENTFLAGS (")
    assert heard[4] == b"* 1 FETCH (FLAGS (\\Seen new) MODSEQ (12))"
    assert selected.flags(row(4, 13)) == b"(\\Recent)"
    assert selected.modseq == 20


def test_own_changes_are_not_told_twice_but_later_ones_are() -> None:
    selected = view(3, 4)
    selected.know(row(3, 15, "\\Seen"))
    assert told(selected, news(row(3, 15, "\\Seen"), row(4, 16), modseq=16)) == [b"* 2 FETCH (FLAGS ())"]
    assert not selected.reported
    selected.know(row(3, 17))
    assert told(selected, news(row(3, 18, "\\Flagged"), modseq=18)) == [b"* 1 FETCH (FLAGS (\\Flagged))"]


def test_messages_that_came_and_went_were_never_there() -> None:
    selected = view(3)
    assert told(selected, news(gone=(8,))) == []


def test_chosen_messages() -> None:
    selected = view(3, 5, 7)
    assert list(selected.chosen(sequence.parse(b"2:*"), uid=False)) == [5, 7]
    assert list(selected.chosen(sequence.parse(b"4:6,9"), uid=True)) == [5]


def test_silent_changes_are_known_unless_another_changed_the_same_message_before() -> None:
    selected = view(3, 4, 5)
    selected.know_unsaid([row(3, 11, "\\Seen"), row(4, 11, "\\Seen")], [2, 10])
    selected.know_unsaid([row(4, 12)], [11])
    selected.know_unsaid([row(5, 14, "\\Seen")], [13])  # 13 was another session's
    heard = told(selected, news(row(3, 11, "\\Seen"), row(4, 12), row(5, 14, "\\Seen"), modseq=14))
    assert heard == [b"* 3 FETCH (FLAGS (\\Seen))"]
    selected.know_unsaid([], [])
    selected.know_unsaid([row(3, 15)], [11])
    assert told(selected, news(row(3, 15), modseq=15)) == []


def test_silent_changes_are_known_whatever_happens_in_other_mailboxes() -> None:
    selected = view(3, 4)
    selected.know_unsaid([row(3, 40, "\\Seen")], [7])  # the account has counted up to 39 elsewhere
    selected.know_unsaid([row(4, 50), row(3, 40, "\\Seen")], [9, 40])
    assert told(selected, news(row(3, 40, "\\Seen"), row(4, 50), modseq=50)) == []


def test_silent_changes_do_not_hide_what_another_did_to_the_same_message() -> None:
    selected = view(3, 4)
    selected.know_unsaid([row(4, 12)], [10])
    selected.know_unsaid([row(3, 13, "\\Flagged")], [11])  # 11 was another session's
    assert told(selected, news(row(3, 13, "\\Flagged"), modseq=13)) == [b"* 1 FETCH (FLAGS (\\Flagged))"]
    selected.know(row(4, 15))
    selected.know_unsaid([row(3, 16)], [14])  # 14 was another's again
    assert told(selected, news(row(3, 16), row(4, 15), modseq=16)) == [b"* 1 FETCH (FLAGS ())"]


def test_what_is_gone_is_found_out_from_what_is_there() -> None:
    selected = view(3, 5, 7, 9)
    changes = Changes((row(12, 15),), (), frozenset(), 20, 100, present=array("I", [5, 9, 12]))
    assert told(selected, changes, expunges=False) == [b"* 5 EXISTS", b"* 0 RECENT"]
    assert told(selected, news()) == [b"* 3 EXPUNGE", b"* 1 EXPUNGE"]
    assert list(selected.uids) == [5, 9, 12]
