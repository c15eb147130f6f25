"""The settings that all agents with SMTP listeners have, and the limits made of them."""

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
    data_timeout: float = 600.0
    minimum_rate: int = 500  # octets per second below which a DATA phase is ended
    trusted_clients: list[str] = []  # networks exempt from per-client caps: load tests, own hosts
    srs_secrets_file: str = ""  # one secret per line, newest first; needed to take back mail sent on with SRS

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.max_message_bytes
        check(size >= SMALLEST_LIMIT, "max_message_bytes", size, f"at least {SMALLEST_LIMIT}")
        for name in _POSITIVE:
            value = getattr(self, name)
            check(value > 0, name, value, "a positive number")
        check(self.minimum_rate >= 0, "minimum_rate", self.minimum_rate, "0 or more octets per second")


_POSITIVE = (
    "max_recipients",
    "max_connections",
    "max_connections_per_client",
    "max_commands",
    "max_errors",
    "max_hops",
    "command_timeout",
    "data_timeout",
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
        minimum_rate=config.minimum_rate,
        trusted=tuple(config.trusted_clients),
    )
