"""Every error of the closed list has a reply. RFC 5530."""

import pytest
from postroom.contracts import errors
from postroom.imap.refusals import REFUSALS, reply_to


def leaves(kind: type[errors.MailError]) -> set[type[errors.MailError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return {kind} if not children else set().union(*map(leaves, children))


OURS = {kind for kind in leaves(errors.MailError) if kind.__module__ == errors.__name__}


def test_the_table_is_complete() -> None:
    assert set(REFUSALS) == OURS | {errors.Unavailable}


@pytest.mark.parametrize("kind", sorted(OURS, key=lambda kind: kind.__name__))
def test_answers_are_no_and_tell_nothing_from_inside(kind: type[errors.MailError]) -> None:
    reply = reply_to(kind("/var/lib/secret"))
    assert reply.condition == b"NO"
    assert b"secret" not in reply.text
    assert reply.code


def test_unknown_children_answer_like_their_parents() -> None:
    class Stranger(errors.MailboxError):
        pass

    class Busy(errors.Unavailable):
        pass

    assert reply_to(Stranger()).condition == b"NO"
    assert reply_to(Busy()) == REFUSALS[errors.Unavailable]
