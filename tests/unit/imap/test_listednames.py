"""LIST and LSUB. RFC 3501, RFC 5258."""

from postroom.contracts.account import Mailbox
from postroom.imap.listednames import list_names, lsub_names
from postroom.wire.imap.listing import List, Lsub

from ...cost import processor_seconds


def box(name: str, use: str = "", *, selectable: bool = True) -> Mailbox:
    return Mailbox(1, name, 1, use, False, selectable)


BOXES = (box("INBOX"), box("Sent", "\\Sent"), box("a", selectable=False), box("a/b"), box("a/b/c"))
SUBSCRIBED = frozenset({"a/b/c", "gone/x", "Sent"})


def lines(command: List) -> list[str]:
    return [listed.line.decode().removesuffix("\r\n") for listed in list_names(command, BOXES, SUBSCRIBED)]


def test_one_level() -> None:
    assert lines(List("", ("%",))) == [
        '* LIST (\\HasNoChildren) "/" "INBOX"',
        '* LIST (\\HasNoChildren \\Sent) "/" "Sent"',
        '* LIST (\\Noselect \\HasChildren) "/" "a"',
    ]
    assert lines(List("a/", ("%",))) == ['* LIST (\\HasChildren) "/" "a/b"']


def test_subscribed_names_that_do_not_exist() -> None:
    assert lines(List("", ("*",), frozenset({b"SUBSCRIBED"}))) == [
        '* LIST (\\HasNoChildren \\Subscribed \\Sent) "/" "Sent"',
        '* LIST (\\HasNoChildren \\Subscribed) "/" "a/b/c"',
        '* LIST (\\NonExistent \\HasNoChildren \\Subscribed) "/" "gone/x"',
    ]


def test_parents_of_what_is_chosen() -> None:
    wanted = List("", ("%",), frozenset({b"SUBSCRIBED", b"RECURSIVEMATCH"}))
    assert lines(wanted) == [
        '* LIST (\\HasNoChildren \\Subscribed \\Sent) "/" "Sent"',
        '* LIST (\\Noselect \\HasChildren) "/" "a" ("CHILDINFO" ("SUBSCRIBED"))',
        '* LIST (\\NonExistent \\HasNoChildren) "/" "gone" ("CHILDINFO" ("SUBSCRIBED"))',
    ]


def test_children_that_are_told_themselves_need_no_childinfo() -> None:
    wanted = List("", ("*",), frozenset({b"SUBSCRIBED", b"RECURSIVEMATCH"}))
    assert not any("CHILDINFO" in line for line in lines(wanted))


def test_several_patterns_answer_once() -> None:
    assert len(lines(List("", ("a/*", "a/%", "Sent")))) == 3


def test_lsub() -> None:
    assert list(lsub_names(Lsub("", "%"), SUBSCRIBED)) == [
        b'* LSUB () "/" "Sent"\r\n',
        b'* LSUB (\\Noselect) "/" "a"\r\n',
        b'* LSUB (\\Noselect) "/" "gone"\r\n',
    ]
    assert list(lsub_names(Lsub("", "*c"), SUBSCRIBED)) == [b'* LSUB () "/" "a/b/c"\r\n']


def test_x06_ten_thousand_mailboxes_and_a_hostile_pattern() -> None:
    boxes = tuple(box(f"{'a' * (number % 40)}/{number}") for number in range(10_000))
    hostile = List("", ("*a" * 100 + "x",))
    assert list(list_names(hostile, boxes, frozenset())) == []
    assert processor_seconds(lambda: list(list_names(hostile, boxes, frozenset())), 0.1) < 0.1
