"""Settings of the msa."""

from postroom.runtime.config import Settings, check


class MsaConfig(Settings, frozen=True, kw_only=True):
    """`msa.toml`. Sizes in octets, times in seconds."""

    spool_directory: str = "/var/lib/postroom/spool/msa"
    counters_path: str = "/var/lib/postroom/spool/msa/counters.sqlite"
    tls_directory: str = "/etc/postroom/tls"
    auth_socket: str = "/run/postroom/auth.sock"
    max_message_bytes: int = 52_428_800
    max_recipients: int = 100
    max_recipients_local: int = 1000  # for programs of this host, which do not try again with fewer
    max_connections: int = 500
    max_connections_per_client: int = 20
    max_commands: int = 1000
    max_errors: int = 10
    max_hops: int = 50
    command_timeout: float = 300.0
    data_timeout: float = 600.0
    minimum_rate: int = 500
    messages_per_day: int = 2000  # per account
    recipients_per_day: int = 5000
    trusted_clients: list[str] = []
    srs_secrets_file: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.max_message_bytes >= 65536, "max_message_bytes", self.max_message_bytes, "at least 65536")
        check(self.messages_per_day > 0, "messages_per_day", self.messages_per_day, "a positive number")
