"""What the engine can say about a search: all that rows can decide. Texts are left to the caller."""

from collections.abc import Sequence

from postroom.contracts.search import Found, Key
from postroom.policy.searchrows import judge_rows, rows_decide
from postroom.store.sqlite.database import Database
from postroom.store.sqlite.reading import present_uids, rows


def search(database: Database, mailbox: int, key: Key, uids: Sequence[int]) -> Found:
    """Judge these messages by their rows. Raises NoSuchMailbox."""
    with database.reading():
        database.box_by_id(mailbox)
        if rows_decide(key):
            return judge_rows(key, uids, rows(database, mailbox, uids, 0))
        present = present_uids(database, mailbox, uids)
    missing = sorted(set(uids).difference(present)) if len(present) < len(uids) else ()
    return Found((), present, tuple(missing))
