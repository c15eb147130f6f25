"""Mailboxes on disk: a folder per account, rows in SQLite (sqlite/), messages as immutable files (blobs/).

Room rule: only this room changes mailboxes, and every change is on disk before the caller gets its answer.
No protocol words. RFC 3501, RFC 7162, RFC 6154.
"""

from postroom.store.quotas import DirectoryQuotas
from postroom.store.sqlite.engine import SqliteStore, open_store
from postroom.store.sqlite.news import News, NoNotices, Notices

__all__ = ["DirectoryQuotas", "News", "NoNotices", "Notices", "SqliteStore", "open_store"]
