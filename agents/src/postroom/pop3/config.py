"""Settings of the pop3 agent."""

from postroom.runtime.config import Settings, check_positive


class Pop3Config(Settings, frozen=True, kw_only=True):
    """`pop3.toml`. Times in seconds."""

    workers: int = 0
    accounts_directory: str = "/var/lib/postroom/accounts"
    notice_directory: str = "/run/postroom/notice"
    tls_directory: str = "/etc/postroom/tls"
    auth_socket: str = "/run/postroom/auth.sock"
    max_connections: int = 500
    max_connections_per_client: int = 20
    max_errors: int = 10
    login_timeout: float = 60.0
    idle_timeout: float = 600.0  # RFC 1939 section 3
    open_accounts: int = 64
    trusted_clients: list[str] = []

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(
            self, "max_connections", "max_connections_per_client", "max_errors", "login_timeout", "idle_timeout",
            "open_accounts",
        )  # fmt: skip
