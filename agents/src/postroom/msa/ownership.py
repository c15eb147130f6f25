"""Which addresses a login may send as. RFC 6409 section 6.1."""

from collections.abc import Iterable

from postroom.contracts.auth import Login
from postroom.contracts.directory import Directory
from postroom.contracts.errors import MessageMalformed, SenderNotOwned
from postroom.mail.address import Address, AddressError, parse_address, quoted_local
from postroom.mail.headermailboxes import HeaderMailbox, author, senders
from postroom.mail.headers import HeaderBlock


class Ownership:
    """Checks ownership in the directory. An address of an alias domain or with a subaddress counts as its target."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def owns(self, login: Login, address: Address) -> bool:
        """Return whether the login may send as this address. Raises Unavailable."""
        domain = await self._directory.domain(address.domain)
        if domain is not None and domain.alias_of:
            address = Address(address.local, domain.alias_of)
            domain = await self._directory.domain(domain.alias_of)
        if domain is None:
            return False
        base, _ = address.split_detail(domain.separator)
        rights = await self._directory.rights(login.account)
        return not rights.senders.isdisjoint((address.key, base.key)) or login.address.lower() in (
            address.key,
            base.key,
        )

    async def check_header(self, login: Login, block: HeaderBlock) -> None:
        """Raise SenderNotOwned unless every author and sender in the header belongs to the login.

        Raises MessageMalformed: several From fields, or fields that two readers could read differently. A message
        without a From field is accepted, because it gets one that belongs to the login.
        """
        found = author(block)
        if found.fields > 1 or (found.fields and (found.malformed or found.untidy or not found.mailboxes)):
            raise MessageMalformed("Exactly one well-formed From field is needed")
        others = senders(block)
        if others.malformed:
            raise MessageMalformed("Malformed Sender or Resent field")
        await self._check_all(login, (*found.mailboxes, *others.mailboxes))

    async def _check_all(self, login: Login, mailboxes: Iterable[HeaderMailbox]) -> None:
        for mailbox in mailboxes:
            if not await self.owns(login, address_of(mailbox)):
                raise SenderNotOwned


def address_of(mailbox: HeaderMailbox) -> Address:
    """Return a header's mailbox as an address. Raises SenderNotOwned if SMTP cannot carry it."""
    try:
        local = quoted_local(mailbox.local.decode("ascii"))
        return parse_address(f"{local}@{mailbox.domain.decode('ascii')}")
    except (AddressError, UnicodeDecodeError) as error:
        raise SenderNotOwned from error
