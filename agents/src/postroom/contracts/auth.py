"""What an agent asks of whoever knows the secrets."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who has proved who he is."""

    account: str  # account id
    address: str  # the account's address


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """One SASL exchange as the client began it. `response` is the mechanism's decoded initial response."""

    mechanism: str  # PLAIN or LOGIN; LOGIN is handed over as PLAIN
    response: bytes
    service: str  # smtp, imap, pop3: who asks
    client: str  # client's IP address
    secured: bool  # under TLS
    session: str = ""  # connection id for the log


class Authenticator(Protocol):
    """Judges logins."""

    async def authenticate(self, attempt: LoginAttempt) -> Login:
        """The login.

        Raises LoginRefused, LoginThrottled, Unavailable.
        """
