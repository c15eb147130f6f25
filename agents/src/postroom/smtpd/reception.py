"""What mta and msa bring to the SMTP server, and what the server tells them.

Room rule: values and one Protocol; nothing here reads or writes.
"""

from dataclasses import dataclass
from typing import Protocol

from postroom.contracts.auth import Login
from postroom.contracts.queue import Draft, QueuedRecipient
from postroom.smtpd.transaction import Transaction
from postroom.wire.smtp.commands import Mail, Recipient
from postroom.wire.smtp.replies import Reply


@dataclass(frozen=True, slots=True)
class Manner:
    """How a listener behaves: which extensions it offers and what it asks for first."""

    service: str  # name of the socket, for the log
    starttls: bool = True  # offer STARTTLS
    implicit_tls: bool = False  # TLS from the first octet (RFC 8314 section 3.3)
    login: bool = False  # MAIL only after AUTH, AUTH only under TLS
    local: bool = False  # a unix socket for programs of this host: bare line ends are repaired


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in octets, times in seconds."""

    message_octets: int
    recipients: int
    connections: int
    connections_per_client: int
    commands: int
    errors: int
    command_timeout: float  # for a whole line, and for taking our replies
    data_timeout: float  # of silence in a message
    pressure_share: float  # of the connections: from here on, what follows holds
    pressure_share_login: float  # the same for who has logged in, and for local programs
    pressure_timeout: float  # as `command_timeout`
    minimum_rate: int  # octets per second in a message
    rate_window: float  # over which that is judged
    long_data_after: float  # of one message
    long_data_rate: int  # octets per second from then on, in place of `minimum_rate`
    trusted: tuple[str, ...] = ()


@dataclass(slots=True)
class Client:
    """Who is at the other end, as far as it is known by now."""

    address: str  # IP address, or "local"
    helo: str = ""
    extended: bool = False
    tls_version: str = ""
    cipher: str = ""
    login: Login | None = None
    uid: int | None = None  # for local programs: the user whom the kernel names
    user: str = ""  # the name of that user

    @property
    def secured(self) -> bool:
        """Whether the connection is under TLS."""
        return bool(self.tls_version)


class Reception(Protocol):
    """Decides about senders, recipients and messages. Refusals are MailError."""

    def draft(self) -> Draft:
        """A place for a message's octets. Raises Unavailable."""

    async def authenticate(self, client: Client, response: bytes) -> Login:
        """Raises LoginRefused, LoginThrottled, Unavailable."""

    async def sender(self, client: Client, mail: Mail) -> None:
        """Whether a transaction may begin. Raises SenderError, Unavailable."""

    async def recipient(
        self, client: Client, transaction: Transaction, recipient: Recipient
    ) -> tuple[QueuedRecipient, ...]:
        """Where the mail for this recipient goes. Raises RecipientError, Unavailable."""

    async def message(self, client: Client, transaction: Transaction, draft: Draft) -> Reply:
        """Make the message durable; the reply names its queue id. Raises MessageError, SenderError, Unavailable."""
