"""From an account that has been let in to its open maildrop."""

from dataclasses import dataclass

from postroom.contracts.directory import Account
from postroom.contracts.store import Store
from postroom.entrance.admission import Entrance
from postroom.pop3.maildrop import Maildrop


@dataclass(frozen=True)
class MaildropEntrance(Entrance):
    """The way in that ends at a locked maildrop."""

    store: Store

    async def open(self, account: Account) -> Maildrop:
        """Open and lock the account's maildrop. Raises MailboxInUse, Unavailable."""
        mailboxes = await self.store.account(account.id, account.id)
        return await Maildrop.open(mailboxes)
