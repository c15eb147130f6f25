"""From a SASL message or USER and PASS to an open maildrop."""

from dataclasses import dataclass

from postroom.contracts.auth import Authenticator, LoginAttempt
from postroom.contracts.directory import Account, Directory
from postroom.contracts.errors import LoginRefused
from postroom.contracts.store import Store
from postroom.pop3.maildrop import Maildrop


@dataclass(frozen=True)
class Entrance:
    """Who judges logins, who knows quotas, and where the mailboxes are."""

    authenticator: Authenticator
    directory: Directory
    store: Store

    async def admit(self, response: bytes, client: str, session: str) -> Account:
        """Whose login it is. Raises LoginRefused, LoginThrottled, Unavailable."""
        attempt = LoginAttempt("PLAIN", response, "pop3", client, True, session)
        login = await self.authenticator.authenticate(attempt)
        account = await self.directory.account(login.account) or await self.directory.login(login.address)
        if account is None or not account.enabled:
            raise LoginRefused("account is gone")
        return account

    async def open(self, account: Account) -> Maildrop:
        """The account's maildrop. Raises MailboxInUse, Unavailable."""
        mailboxes = await self.store.account(account.id, account.id)
        return await Maildrop.open(mailboxes)
