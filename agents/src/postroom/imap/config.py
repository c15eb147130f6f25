"""Settings of the imap agent."""

from postroom.runtime.config import Settings


class ImapConfig(Settings, frozen=True, kw_only=True):
    """`imap.toml`. Sizes in octets, times in seconds."""

    accounts_directory: str = "/var/lib/postroom/accounts"
    notice_directory: str = "/run/postroom/notice"
    tls_directory: str = "/etc/postroom/tls"
    auth_socket: str = "/run/postroom/auth.sock"
    max_message_bytes: int = 52_428_800  # APPEND
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
