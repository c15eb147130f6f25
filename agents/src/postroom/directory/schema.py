"""The directory as JSON: everything that an operator can state about domains, people and addresses.

One document describes all of it; unknown fields are refused. docs/reference/directory.md explains each field.
"""

from enum import StrEnum
from typing import ClassVar

import msgspec

VERSION = 1


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One object of the document. `section` names the list that contains it, `key_field` its identifying field."""

    section: ClassVar[str]
    key_field: ClassVar[str]

    @property
    def key(self) -> str:
        """The value that identifies this object within its section."""
        value: str = getattr(self, self.key_field)
        return value


class AccountState(StrEnum):
    """The state of an account."""

    ACTIVE = "active"
    DISABLED = "disabled"  # kept; no login, no new mail
    DELETED = "deleted"  # mailbox, password and addresses are deleted


class DomainRecord(Record, frozen=True, kw_only=True):
    """A mail domain. `home` is the one host with its mailboxes."""

    section: ClassVar[str] = "domains"
    key_field: ClassVar[str] = "name"

    name: str
    home: str
    alias_of: str | None = None
    catch_all: tuple[str, ...] = ()
    separator: str = "+"
    selectors: tuple[str, ...] = ()


class SubmissionLimits(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What an account may submit per day; 0 means the agent's default."""

    messages_per_day: int = 0
    recipients_per_day: int = 0


class AccountRights(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What an account may do in others' names."""

    send_as: tuple[str, ...] = ()


class AccountRecord(Record, frozen=True, kw_only=True):
    """A person's mailbox. `id` never changes and names the folder.

    `password` is only the first one. `password_id` changes when it is generated anew, and reveals nothing about it.
    """

    section: ClassVar[str] = "accounts"
    key_field: ClassVar[str] = "id"

    id: str
    address: str
    addresses: tuple[str, ...] = ()
    name: str = ""
    state: AccountState = AccountState.ACTIVE
    quota_bytes: int = 0
    limits: SubmissionLimits = SubmissionLimits()
    rights: AccountRights = AccountRights()
    password: str = ""
    password_id: str = ""


class AliasRecord(Record, frozen=True, kw_only=True):
    """An address that stands for others, ours or outside."""

    section: ClassVar[str] = "aliases"
    key_field: ClassVar[str] = "address"

    address: str
    members: tuple[str, ...]


class ListRecord(Record, frozen=True, kw_only=True):
    """An alias whose bounces go to its owner."""

    section: ClassVar[str] = "lists"
    key_field: ClassVar[str] = "address"

    address: str
    members: tuple[str, ...]
    owner: str
    name: str = ""


class TeamRights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a team's members may do in its name."""

    send_as: bool = True


class TeamRecord(Record, frozen=True, kw_only=True):
    """People who answer under one address."""

    section: ClassVar[str] = "teams"
    key_field: ClassVar[str] = "address"

    address: str
    members: tuple[str, ...]
    name: str = ""
    rights: TeamRights = TeamRights()


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole directory."""

    version: int
    domains: tuple[DomainRecord, ...] = ()
    accounts: tuple[AccountRecord, ...] = ()
    aliases: tuple[AliasRecord, ...] = ()
    lists: tuple[ListRecord, ...] = ()
    teams: tuple[TeamRecord, ...] = ()


KINDS: tuple[type[Record], ...] = (DomainRecord, AccountRecord, AliasRecord, ListRecord, TeamRecord)
