"""The contract between the SMTP server and the agents that use it.

Room rule: values and one Protocol; nothing here does I/O.
"""

from dataclasses import dataclass
from typing import Protocol

from postroom.contracts.auth import Login
from postroom.contracts.queue import Draft, QueuedRecipient
from postroom.smtpd.transaction import Transaction
from postroom.wire.smtp.commands import Mail, Recipient
from postroom.wire.smtp.replies import Reply


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """What a listener offers and what it requires first."""

    service: str  # name of the socket, for the log
    starttls: bool = True  # offer STARTTLS
    implicit_tls: bool = False  # TLS starts with the first octet (RFC 8314 section 3.3)
    login: bool = False  # require AUTH before MAIL, and TLS before AUTH
    local: bool = False  # a unix socket for programs of this host; bare line ends are repaired


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Limits of a session and of its listener. Sizes in octets, times in seconds."""

    message_octets: int
    recipients: int
    connections: int
    connections_per_client: int
    commands: int
    errors: int
    command_timeout: float  # for a whole line, and for accepting our replies
    data_timeout: float  # of silence in a message
    pressure_share: float  # share of the connections in use from which the limits below hold
    pressure_share_login: float  # the same for clients that have logged in and for local programs
    pressure_timeout: float  # replaces `command_timeout`
    minimum_rate: int  # octets per second in a message
    rate_window: float  # seconds over which the rate is measured
    long_data_after: float  # seconds of one message
    long_data_rate: int  # octets per second after that, replaces `minimum_rate`
    trusted: tuple[str, ...] = ()


@dataclass(slots=True)
class Client:
    """The peer, as far as it is known."""

    address: str  # IP address, or "local"
    helo: str = ""
    extended: bool = False
    tls_version: str = ""
    cipher: str = ""
    login: Login | None = None
    uid: int | None = None  # for local programs: the user id that the kernel reports
    user: str = ""  # the name of that user

    @property
    def secured(self) -> bool:
        """Return whether the connection is under TLS."""
        return bool(self.tls_version)


class Reception(Protocol):
    """Decides about senders, recipients and messages. It refuses by raising a MailError."""

    def draft(self) -> Draft:
        """Return a new draft for a message's octets. Raises Unavailable."""

    async def authenticate(self, client: Client, response: bytes) -> Login:
        """Authenticate a client by a PLAIN message. Raises LoginRefused, LoginThrottled, Unavailable."""

    async def sender(self, client: Client, mail: Mail) -> None:
        """Check whether the sender may start a transaction. Raises SenderError, Unavailable."""

    async def recipient(
        self, client: Client, transaction: Transaction, recipient: Recipient
    ) -> tuple[QueuedRecipient, ...]:
        """Resolve a recipient to queue rows. Raises RecipientError, Unavailable."""

    async def message(self, client: Client, transaction: Transaction, draft: Draft) -> Reply:
        """Store the message durably and return the reply with its queue id. Raises MessageError, SenderError,
        Unavailable.
        """
