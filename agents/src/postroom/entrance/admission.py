"""Authenticates a PLAIN message and finds the enabled account behind it."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from postroom.contracts.auth import Authenticator, Login, LoginAttempt
from postroom.contracts.directory import Account, Directory
from postroom.contracts.errors import LoginRefused

# Why a login with the right secret is refused: the account is disabled or no longer exists. For the log only, since
# the client gets one answer for all refusals.
ACCOUNT_CLOSED: Final = "account"


class Admission(NamedTuple):
    """A client that has been let in. `login.account` is the id of `account`."""

    login: Login
    account: Account


@dataclass(frozen=True)
class Entrance:
    """Lets clients of one service in. `service` is how the auth agent knows it: smtp, imap, pop3."""

    service: str
    authenticator: Authenticator
    directory: Directory

    async def admit(self, response: bytes, client: str, *, secured: bool, session: str = "") -> Admission:
        """Have a login judged and find its account.

        `response` is a PLAIN message, `client` an IP address, `session` a name for the auth agent's log. Raises
        LoginRefused (with ACCOUNT_CLOSED where only the account is the reason), LoginThrottled, Unavailable.
        """
        attempt = LoginAttempt("PLAIN", response, self.service, client, secured, session)
        login = await self.authenticator.authenticate(attempt)
        # An auth service that is not ours may know addresses only.
        account = await self.directory.account(login.account) or await self.directory.login(login.address)
        if account is None or not account.enabled:
            raise LoginRefused(ACCOUNT_CLOSED)
        return Admission(Login(account.id, login.address), account)
