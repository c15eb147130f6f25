"""What agents may ask of the directory: domains, people, addresses, rights, quotas, lists, teams."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Domain:
    """A mail domain of ours. `home` is the host whose mda holds its mailboxes."""

    name: str
    home: str
    alias_of: str | None = None  # every address here is the same address there
    catch_all: tuple[str, ...] = ()  # addresses that get mail for unknown ones; empty: such mail is refused
    separator: str = "+"  # RFC 5233 detail separator; empty: no subaddresses
    selectors: tuple[str, ...] = ()  # DKIM selectors that sign for it


@dataclass(frozen=True, slots=True)
class Account:
    """A person's mailbox. `id` never changes and names its folder; the address may change."""

    id: str
    address: str
    name: str = ""
    enabled: bool = True
    quota_bytes: int = 0  # 0: no limit
    messages_per_day: int = 0  # submission limit; 0: the agent's default
    recipients_per_day: int = 0


class Kind(StrEnum):
    """What an address is."""

    ACCOUNT = "account"
    ALIAS = "alias"
    LIST = "list"
    TEAM = "team"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one exact address leads to."""

    address: str
    kind: Kind
    account: Account | None = None  # for Kind.ACCOUNT, which includes a person's further addresses
    members: tuple[str, ...] = ()  # for the others: addresses, ours or outside
    owner: str = ""  # lists: envelope sender of what the list sends on (RFC 5321 section 3.9.2)


@dataclass(frozen=True, slots=True)
class Rights:
    """What one account may do in others' names."""

    senders: frozenset[str] = field(default_factory=frozenset)  # address keys it may send as


class Directory(Protocol):
    """Read access. Names and addresses are given in lower case (`Address.key`).

    Every method raises Unavailable when the directory cannot be read.
    """

    async def domain(self, name: str) -> Domain | None:
        """Return the domain of that name, or None when it is not ours."""

    async def entry(self, address: str) -> Entry | None:
        """Return the entry of exactly this address; subaddress, catch-all and domain alias are not tried."""

    async def account(self, account_id: str) -> Account | None:
        """Return the account of that id, or None."""

    async def login(self, name: str) -> Account | None:
        """Return the account that logs in by this name, which is its address or another address of the person."""

    async def rights(self, account_id: str) -> Rights:
        """Return the addresses that the account may send as: its own, those of its teams, and those granted."""
