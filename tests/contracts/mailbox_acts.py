"""A message, its delivery, and what tests of the mailbox contract do over and over."""

from collections.abc import Iterable

from postroom.contracts.store import Copy, Delivery, Store

NOW = 1_700_000_000
SEEN, DELETED, FLAGGED = "\\Seen", "\\Deleted", "\\Flagged"
MESSAGE = b"From: Ada <ada@alpha.example>\r\nSubject: Greetings\r\n\r\nHello\r\n"
PREFIX = b"Return-Path: <>\r\nDelivered-To: ada@alpha.example\r\n"


def delivery(number: int, account: str = "ada", **other: object) -> Delivery:
    values: dict[str, object] = {
        "account": account,
        "queue_id": f"q{number}",
        "recipient": f"{account}@alpha.example",
        "prefix": PREFIX,
        "content": MESSAGE,
        "arrived": NOW,
        **other,
    }
    mailbox, flags = values.pop("mailbox", None), values.pop("flags", frozenset())
    if mailbox or flags:
        values["copies"] = (Copy(mailbox or "INBOX", flags),)  # type: ignore[arg-type]
    return Delivery(**values)  # type: ignore[arg-type]


async def filled(store: Store, count: int) -> int:
    """Deliver messages into Ada's INBOX; its id."""
    await store.deliver([delivery(number) for number in range(count)])
    return (await (await store.account("ada", "ada")).select("INBOX", True)).mailbox.id


def uids(rows: Iterable[object]) -> list[int]:
    return [row.uid for row in rows]  # type: ignore[attr-defined]
