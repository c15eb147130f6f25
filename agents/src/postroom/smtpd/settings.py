"""The settings that all agents with SMTP listeners have, and the limits made of them."""

from ipaddress import ip_address

from postroom.runtime.config import ConfigError, Settings, check
from postroom.runtime.connections import networks
from postroom.runtime.tls import TlsStore
from postroom.smtpd.reception import Limits
from postroom.smtpd.routing import read_srs_secrets

SMALLEST_LIMIT = 65_536  # RFC 5321 section 4.5.3.1.7


class ListenerSettings(Settings, frozen=True, kw_only=True):
    """Sizes in octets, times in seconds."""

    tls_directory: str = "/etc/postroom/tls"
    max_message_bytes: int = 52_428_800
    max_recipients: int = 1000
    max_connections: int = 500
    max_connections_per_client: int = 20
    max_commands: int = 1000  # of a connection that delivers nothing
    max_errors: int = 10
    max_hops: int = 50
    command_timeout: float = 300.0
    data_timeout: float = 600.0  # of silence in a message
    pressure_share: float = 0.5  # of max_connections: from here on the strict limits below hold
    pressure_timeout: float = 60.0  # in place of command_timeout
    minimum_rate: int = 500  # octets per second below which a message's transfer is ended
    rate_window: float = 30.0  # over which the rate is judged
    long_data_after: float = 600.0  # seconds of one message, after which it needs
    long_data_rate: int = 10_000  # octets per second
    trusted_clients: list[str] = []  # networks exempt from per-client caps: load tests, own hosts
    own_addresses: list[str] = []  # IP addresses under which others know this host: name@[address] is local
    srs_secrets_file: str = ""  # one secret per line, newest first; needed to take back mail sent on with SRS

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.max_message_bytes
        check(size >= SMALLEST_LIMIT, "max_message_bytes", size, f"at least {SMALLEST_LIMIT}")
        for name in _POSITIVE:
            value = getattr(self, name)
            check(value > 0, name, value, "a positive number")
        for name in ("minimum_rate", "long_data_rate"):
            value = getattr(self, name)
            check(value >= 0, name, value, "0 or more octets per second")
        check_share(self, "pressure_share")
        for address in self.own_addresses:
            check(_is_address(address), "own_addresses", address, "IP addresses")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def check_share(settings: Settings, name: str) -> None:
    """Raise a ValueError unless the setting is a share."""
    value = getattr(settings, name)
    check(0 <= value <= 1, name, value, "a share of max_connections, 0 to 1")


_POSITIVE = (
    "max_recipients",
    "max_connections",
    "max_connections_per_client",
    "max_commands",
    "max_errors",
    "max_hops",
    "command_timeout",
    "data_timeout",
    "pressure_timeout",
    "rate_window",
    "long_data_after",
)


def check_listener(config: ListenerSettings) -> None:
    """Look at all that the settings name. Raises ConfigError."""
    TlsStore(config.tls_directory).load()
    read_srs_secrets(config.srs_secrets_file)
    limits(config, config.max_recipients)


def limits(config: ListenerSettings, recipients: int) -> Limits:
    """A server's limits, with so many recipients per message. Raises ConfigError: a trusted network is none."""
    try:
        networks(config.trusted_clients)
    except ValueError as error:
        raise ConfigError(f"trusted_clients: {error}") from error
    return Limits(
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
