"""Settings of the mta."""

from postroom.runtime.config import Settings, check


class MtaConfig(Settings, frozen=True, kw_only=True):
    """`mta.toml`. Sizes in octets, times in seconds."""

    spool_directory: str = "/var/lib/postroom/spool/mta"
    resolver: str = "127.0.0.1:53"
    tls_directory: str = "/etc/postroom/tls"
    max_message_bytes: int = 52_428_800
    max_recipients: int = 1000
    max_connections: int = 500
    max_connections_per_client: int = 20
    max_commands: int = 1000
    max_errors: int = 10
    max_hops: int = 50
    command_timeout: float = 300.0
    data_timeout: float = 600.0
    minimum_rate: int = 500  # octets per second below which a DATA phase is ended
    verify_authentication: bool = True  # SPF, DKIM, DMARC
    honour_dmarc: bool = True
    trusted_clients: list[str] = []  # networks exempt from per-client caps: load tests, own hosts
    srs_secrets_file: str = ""  # one secret per line, newest first; needed to take back mail sent on with SRS
    over_quota_directory: str = "/run/postroom/over-quota"  # flags published by the mda

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.max_message_bytes >= 65536, "max_message_bytes", self.max_message_bytes, "at least 65536")
        check(
            self.max_recipients >= 100,
            "max_recipients",
            self.max_recipients,
            "at least 100 (RFC 5321 4.5.3.1.8)",
        )
