"""Settings of the relay."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from postroom.runtime.config import Count, Port, Seconds, Settings, check


class RelayConfig(Settings, frozen=True, kw_only=True):
    """`relay.toml`. Times in seconds."""

    workers: Annotated[int, Meta(ge=1, le=64, description="1 to 64: one keeps up with all of the others")] = 1
    spool_directories: list[str] = msgspec.field(
        default_factory=lambda: [f"/var/lib/postroom/spool/{agent}" for agent in ("mta", "msa", "mda")]
    )
    report_spool_directory: str = "/var/lib/postroom/spool/relay"  # bounces and warnings we write ourselves
    resolver: str = "127.0.0.1:53"
    lmtp_socket: str = "/run/postroom/lmtp.sock"
    dkim_directory: str = "/etc/postroom/dkim"  # DOMAIN/SELECTOR.pem
    srs_secrets_file: str = ""  # one secret per line, newest first
    ca_file: str = ""  # "" is the system's trust store
    smtp_port: Port = 25
    mx_ports: dict[str, Port] = {}  # host name to port, where it is not smtp_port (sandbox, tests)
    max_deliveries: Count = 100  # at the same time
    max_deliveries_per_destination: Count = 5
    lmtp_connections: Count = 10
    connect_timeout: Seconds = 30.0
    reply_timeout: Seconds = 300.0
    retry_minimum: Seconds = 300.0
    retry_maximum: Seconds = 14_400.0
    warn_after: Annotated[float, Meta(ge=0, description="seconds, or 0 for no warning")] = 14_400.0
    expire_after: Seconds = 432_000.0
    expire_bounce_after: Seconds = 86_400.0
    max_hops: Count = 50
    address_families: Annotated[
        list[Literal["ipv4", "ipv6"]], Meta(min_length=1, description="ipv4, ipv6 or both")
    ] = msgspec.field(default_factory=lambda: ["ipv6", "ipv4"])

    def __post_init__(self) -> None:
        check(
            self.retry_minimum <= self.retry_maximum,
            "retry_minimum",
            self.retry_minimum,
            "0 < minimum <= maximum",
        )
