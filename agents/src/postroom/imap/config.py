"""Settings of the imap agent."""

from typing import Final

from postroom.runtime.config import Settings, check

_LEAST: Final = {
    "max_message_bytes": 65_536,
    "append_memory": 65_536,
    "max_line": 8000,  # RFC 2683 section 3.2.1.5
    "max_line_before_login": 1024,
    "max_connections": 1,
    "max_connections_per_client": 1,
    "max_connections_per_account": 1,
    "max_errors": 1,
    "login_timeout": 0.1,
    "idle_timeout": 0.1,
    "open_accounts": 1,
}

MOST_BEFORE_LOGIN: Final = 65_536  # octets: ID with 30 pairs of 1024 octets each fits (RFC 2971 section 3.3)


class ImapConfig(Settings, frozen=True, kw_only=True):
    """`imap.toml`. Sizes in octets, times in seconds."""

    workers: int = 0
    accounts_directory: str = "/var/lib/postroom/accounts"
    notice_directory: str = "/run/postroom/notice"
    tls_directory: str = "/etc/postroom/tls"
    auth_socket: str = "/run/postroom/auth.sock"
    max_message_bytes: int = 52_428_800  # APPEND
    append_memory: int = (
        268_435_456  # messages that are being appended, in all workers; at least one fits in each
    )
    max_line: int = 65_536
    max_line_before_login: int = 8192
    max_connections: int = 2000
    max_connections_per_client: int = 50
    max_connections_per_account: int = 40
    max_errors: int = 10
    login_timeout: float = 60.0
    idle_timeout: float = 1800.0  # RFC 3501 section 5.4
    open_accounts: int = 256
    trusted_clients: list[str] = []

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in _LEAST.items():
            check(getattr(self, name) >= least, name, getattr(self, name), f"at least {least}")
        check(
            self.max_line_before_login <= MOST_BEFORE_LOGIN,
            "max_line_before_login",
            self.max_line_before_login,
            f"at most {MOST_BEFORE_LOGIN}: strangers get no more memory",
        )

    def append_room(self, workers: int) -> int:
        """Octets of messages that may be on their way in at a time in one of so many workers."""
        return max(self.append_memory // workers, self.max_message_bytes)
