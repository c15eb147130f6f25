"""The settings of all agents with SMTP listeners, and the limits derived from them."""

from ipaddress import ip_address
from typing import Annotated

from msgspec import Meta

from postroom.runtime.config import ConfigError, Count, Seconds, Settings, check
from postroom.runtime.connections import networks
from postroom.runtime.tls import TlsStore
from postroom.smtpd.reception import SessionLimits
from postroom.smtpd.routing import read_srs_secrets

Share = Annotated[float, Meta(ge=0, le=1, description="a share of max_connections, 0 to 1")]
Rate = Annotated[int, Meta(ge=0, description="0 or more octets per second")]


class SmtpSettings(Settings, frozen=True, kw_only=True):
    """Settings of the SMTP server. Sizes in octets, times in seconds."""

    tls_directory: str = "/etc/postroom/tls"
    max_message_bytes: Annotated[int, Meta(ge=65_536)] = 52_428_800  # RFC 5321 section 4.5.3.1.7
    max_recipients: Count = 1000
    max_connections: Count = 500
    max_connections_per_client: Count = 20
    max_commands: Count = 1000  # of a connection that delivers no message
    max_errors: Count = 10
    max_hops: Count = 50
    command_timeout: Seconds = 300.0
    data_timeout: Seconds = 600.0  # of silence in a message
    pressure_share: Share = 0.5  # share of max_connections in use from which the strict limits below hold
    pressure_timeout: Seconds = 60.0  # replaces command_timeout
    minimum_rate: Rate = 500  # octets per second; a slower transfer is ended
    rate_window: Seconds = 30.0  # seconds over which the rate is measured
    long_data_after: Seconds = 600.0  # seconds; a longer transfer needs long_data_rate
    long_data_rate: Rate = 10_000  # octets per second
    trusted_clients: list[str] = []  # networks exempt from the limits per client: load tests, own hosts
    own_addresses: list[str] = []  # IP addresses of this host as others see them: name@[address] is local
    # One secret per line, newest first. Needed to accept mail that comes back to an SRS address.
    srs_secrets_file: str = ""

    def __post_init__(self) -> None:
        for address in self.own_addresses:
            check(_is_address(address), "own_addresses", address, "IP addresses")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def check_listener(config: SmtpSettings) -> None:
    """Check the files and networks that the settings name. Raises ConfigError."""
    TlsStore(config.tls_directory).load()
    read_srs_secrets(config.srs_secrets_file)
    session_limits(config, config.max_recipients)


def session_limits(config: SmtpSettings, recipients: int) -> SessionLimits:
    """Return the session limits with this number of recipients per message. Raises ConfigError: malformed network."""
    try:
        networks(config.trusted_clients)
    except ValueError as error:
        raise ConfigError(f"trusted_clients: {error}") from error
    return SessionLimits(
        message_octets=config.max_message_bytes,
        recipients=recipients,
        connections=config.max_connections,
        connections_per_client=config.max_connections_per_client,
        commands=config.max_commands,
        errors=config.max_errors,
        command_timeout=config.command_timeout,
        data_timeout=config.data_timeout,
        pressure_share=config.pressure_share,
        pressure_share_login=config.pressure_share,
        pressure_timeout=config.pressure_timeout,
        minimum_rate=config.minimum_rate,
        rate_window=config.rate_window,
        long_data_after=config.long_data_after,
        long_data_rate=config.long_data_rate,
        trusted=tuple(config.trusted_clients),
    )
