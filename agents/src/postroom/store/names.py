"""Which account ids and mailbox names are valid. RFC 3501 section 5.1, RFC 5198 (NFC).

Room rule: mailbox names are rows and never reach the file system; account ids do, and are checked here.
"""

import re
import unicodedata
from typing import Final

from postroom.contracts.errors import MailboxNameInvalid, Unavailable

SEPARATOR: Final = "/"
INBOX: Final = "INBOX"
MAX_LEVEL: Final = 255  # octets of UTF-8
MAX_NAME: Final = 1000  # octets of UTF-8

_ACCOUNT_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# Controls, wildcards of LIST, private line and paragraph ends, surrogates, bidirectional overrides.
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f*%\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def account_folder(account_id: str) -> str:
    """Return the folder name of an account. Raises Unavailable for an id that is not a plain name."""
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise Unavailable("account id is not usable")
    return account_id


def mailbox_name(text: str) -> str:
    """Return a name as the store keeps it: NFC, `INBOX` in upper case, one `/` between levels.

    Raises MailboxNameInvalid.
    """
    if len(text) > MAX_NAME:  # before normalising, whose cost grows with the text
        raise MailboxNameInvalid("mailbox name too long")
    name = unicodedata.normalize("NFC", text)
    if not name or _FORBIDDEN.search(name):
        raise MailboxNameInvalid("mailbox name with a character that names may not hold")
    levels = name.split(SEPARATOR)
    if levels[0].upper() == INBOX:
        levels[0] = INBOX
    if any(not level or level in (".", "..") or len(level.encode()) > MAX_LEVEL for level in levels):
        raise MailboxNameInvalid("mailbox name with an empty, dotted or overlong level")
    name = SEPARATOR.join(levels)
    if len(name.encode()) > MAX_NAME:
        raise MailboxNameInvalid("mailbox name too long")
    return name


def parents(name: str) -> list[str]:
    """Return the names of the parents, topmost first."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:depth]) for depth in range(1, len(levels))]
