"""What the items of a FETCH need."""

import pytest
from postroom.imap.fetching import FetchPlan
from postroom.wire.imap.fetchitems import FetchItem, Item, Section, Text

HEADER = Section(b"BODY[HEADER]", Text.HEADER, peek=True)
FIELDS = Section(b"BODY[HEADER.FIELDS (TO)]", Text.FIELDS, fields=frozenset({b"TO"}), peek=True)
WHOLE = Section(b"BODY[]", Text.ALL)
PART_HEADER = Section(b"BODY[1.HEADER]", Text.HEADER, (1,), peek=True)


@pytest.mark.parametrize(
    ("items", "structure", "content", "header_only"),
    [
        ((Item.UID, Item.FLAGS, Item.SIZE, Item.INTERNALDATE, Item.MODSEQ), False, False, True),
        ((Item.FLAGS, Item.ENVELOPE), True, False, True),
        ((HEADER, FIELDS), False, True, True),
        ((HEADER, WHOLE), False, True, False),
        ((PART_HEADER,), True, True, False),
        ((Item.BODYSTRUCTURE, HEADER), True, True, True),
    ],
)
def test_no_more_is_read_than_the_items_need(
    items: tuple[FetchItem, ...], structure: bool, content: bool, header_only: bool
) -> None:
    plan = FetchPlan(items, writable=True)
    assert plan.needs_structure is structure
    assert plan.needs_content is content
    assert plan.reads_messages is (structure or content)
    assert not content or plan.header_only is header_only


def test_only_a_section_without_peek_marks_messages_seen_and_only_where_that_is_possible() -> None:
    assert FetchPlan((Item.UID, WHOLE), writable=True).marks_seen
    assert not FetchPlan((Item.UID, WHOLE), writable=False).marks_seen
    assert not FetchPlan((HEADER, Item.ENVELOPE), writable=True).marks_seen


def test_a_message_whose_octets_are_lost_answers_what_needs_none_of_them() -> None:
    plan = FetchPlan((Item.UID, Item.ENVELOPE, HEADER, WHOLE), writable=True)
    assert plan.without_content == [Item.UID, Item.ENVELOPE]
    assert plan.of_row == [Item.UID]
