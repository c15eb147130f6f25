"""What all sessions of one process share."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from postroom.contracts.auth import Authenticator
from postroom.contracts.clock import Clock
from postroom.contracts.directory import Directory
from postroom.contracts.logins import LoginCounts
from postroom.contracts.store import Store
from postroom.imap.budget import Budget
from postroom.imap.config import ImapConfig
from postroom.runtime.shared_counters import SharedCounter
from postroom.wire.imap.framing import FramingLimits

LITERAL_BEFORE_LOGIN = 1024


class Log(Protocol):
    """Takes log lines (runtime.log.Log)."""

    def info(self, text: str, *, client: str = "", **fields: str) -> None:
        """Log an ordinary event."""

    def warning(self, text: str, *, client: str = "", **fields: str) -> None:
        """Log what an operator should know."""

    def error(self, text: str, *, client: str = "", **fields: str) -> None:
        """Log what an operator has to mend."""


@dataclass
class ImapContext:
    """Settings and services that the agent builds once. `tls` is None where no certificate is configured."""

    config: ImapConfig
    clock: Clock
    log: Log
    authenticator: Authenticator
    directory: Directory
    store: Store
    tls: Callable[[], ssl.SSLContext] | None = None
    logins: LoginCounts = field(default_factory=SharedCounter)  # open sessions by account id
    workers: int = 1
    incoming: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.incoming = Budget(self.config.append_room(self.workers))

    def limits_before_login(self) -> FramingLimits:
        """Return what a stranger may send: short lines, and literals only as long as a name or password."""
        return FramingLimits(command=self.config.max_line_before_login, literal=LITERAL_BEFORE_LOGIN)

    def limits_after_login(self) -> FramingLimits:
        """Return what a logged-in client may send."""
        config = self.config
        return FramingLimits(
            command=config.max_line,
            literal=config.max_line,
            message=config.max_message_bytes,
            skip=2 * config.max_message_bytes,
        )
