"""Settings of the relay."""

import msgspec

from postroom.runtime.config import Settings, check, check_positive


class RelayConfig(Settings, frozen=True, kw_only=True):
    """`relay.toml`. Times in seconds."""

    spool_directories: list[str] = msgspec.field(
        default_factory=lambda: [f"/var/lib/postroom/spool/{agent}" for agent in ("mta", "msa", "mda")]
    )
    report_spool_directory: str = "/var/lib/postroom/spool/relay"  # bounces and warnings we write ourselves
    resolver: str = "127.0.0.1:53"
    lmtp_socket: str = "/run/postroom/lmtp.sock"
    dkim_directory: str = "/etc/postroom/dkim"  # DOMAIN/SELECTOR.pem
    srs_secrets_file: str = ""  # one secret per line, newest first
    ca_file: str = ""  # "" is the system's trust store
    smtp_port: int = 25
    mx_ports: dict[str, int] = {}  # host name to port, where it is not smtp_port (sandbox, tests)
    max_deliveries: int = 100  # at the same time
    max_deliveries_per_destination: int = 5
    lmtp_connections: int = 10
    connect_timeout: float = 30.0
    reply_timeout: float = 300.0
    retry_minimum: float = 300.0
    retry_maximum: float = 14_400.0
    warn_after: float = 14_400.0  # 0: never
    expire_after: float = 432_000.0
    expire_bounce_after: float = 86_400.0
    max_hops: int = 50
    address_families: list[str] = msgspec.field(default_factory=lambda: ["ipv6", "ipv4"])

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.workers >= 1, "workers", self.workers, "1 to 64: one keeps up with all of the others")
        check_positive(
            self, "max_deliveries", "max_deliveries_per_destination", "lmtp_connections", "connect_timeout",
            "reply_timeout", "expire_after", "expire_bounce_after", "max_hops",
        )  # fmt: skip
        check(self.warn_after >= 0, "warn_after", self.warn_after, "seconds, or 0 for no warning")
        check(
            0 < self.retry_minimum <= self.retry_maximum,
            "retry_minimum",
            self.retry_minimum,
            "0 < minimum <= maximum",
        )
        check(
            set(self.address_families) <= {"ipv4", "ipv6"} and bool(self.address_families),
            "address_families",
            self.address_families,
            "ipv4, ipv6 or both",
        )
