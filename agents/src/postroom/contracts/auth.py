"""Logins, which agents have judged by the service that knows the passwords."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Login:
    """A client that has proved whose account it may use."""

    account: str  # account id
    address: str  # the account's address


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """One SASL exchange as the client began it. `response` is the mechanism's decoded initial response."""

    mechanism: str  # PLAIN or LOGIN; LOGIN is handed over as PLAIN
    response: bytes
    service: str  # smtp, imap or pop3
    client: str  # client's IP address
    secured: bool  # whether the client came by TLS
    session: str = ""  # connection id for the log


class Authenticator(Protocol):
    """The service that judges logins."""

    async def authenticate(self, attempt: LoginAttempt) -> Login:
        """Return the login that the attempt proves.

        Raises LoginRefused, LoginThrottled, Unavailable.
        """
