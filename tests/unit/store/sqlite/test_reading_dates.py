"""Rows and files whose dates cannot be shown: they come from earlier releases, other clocks and other disks."""

from pathlib import Path

import pytest
from postroom.mail.dates import EARLIEST, LATEST
from postroom.store import open_store
from postroom.store.sqlite import adding
from postroom.store.sqlite.database import Database

from ....contracts.conftest import FixedClock, Heard
from ....contracts.mailbox_acts import MESSAGE, NOW, delivery


@pytest.mark.damages("date out of range")
@pytest.mark.parametrize(
    ("stored", "shown"), [(253402318799, LATEST), (1 << 62, LATEST), (-(1 << 63), EARLIEST)]
)
async def test_a_row_with_such_a_date_is_shown_clamped(tmp_path: Path, stored: int, shown: int) -> None:
    store = open_store(str(tmp_path), Heard(), FixedClock())
    await store.deliver([delivery(1), delivery(2)])
    ada = await store.account("ada", "ada")
    inbox = (await ada.select("INBOX", True)).mailbox.id
    database = Database(str(tmp_path / "ada"), NOW, 5.0)
    with database.writing():
        database.sql.execute("UPDATE messages SET internal_date = ? WHERE key & 3 = 1", (stored,))
    database.close()
    assert [row.internal_date for row in await ada.rows(inbox)] == [shown, NOW]
    assert {row.internal_date for row in (await ada.changes(inbox, 0, False)).rows} == {shown, NOW}
    await store.close()


@pytest.mark.parametrize(("modified", "kept"), [(-70_000_000_000, EARLIEST), (300_000_000_000, LATEST)])
def test_a_file_with_such_a_date_becomes_a_message_again(tmp_path: Path, modified: int, kept: int) -> None:
    database = Database(str(tmp_path / "ada"), NOW, 5.0)
    database.folder.write("lost", MESSAGE)
    adding.adopt(database, "INBOX", MESSAGE, modified, "lost")
    assert database.sql.execute("SELECT internal_date FROM messages").fetchone() == (kept,)
    database.close()
