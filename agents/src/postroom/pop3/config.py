"""Settings of the pop3 agent."""

from postroom.runtime.config import Count, Seconds, Workers
from postroom.store.settings import StoreSettings


class Pop3Config(StoreSettings, frozen=True, kw_only=True):
    """`pop3.toml`. Times in seconds."""

    workers: Workers = 0
    tls_directory: str = "/etc/postroom/tls"
    auth_socket: str = "/run/postroom/auth.sock"
    max_connections: Count = 500
    max_connections_per_client: Count = 20
    max_errors: Count = 10
    login_timeout: Seconds = 60.0
    idle_timeout: Seconds = 600.0  # RFC 1939 section 3
    open_accounts: Count = 64
    trusted_clients: list[str] = []
