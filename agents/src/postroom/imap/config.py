"""Settings of the imap agent."""

from typing import Annotated, Final

from msgspec import Meta

from postroom.runtime.config import Count, Workers
from postroom.store.settings import StoreSettings

MOST_BEFORE_LOGIN: Final = 65_536  # octets: ID with 30 pairs of 1024 octets each fits (RFC 2971 section 3.3)

MessageOctets = Annotated[int, Meta(ge=65_536)]
LongerSeconds = Annotated[float, Meta(ge=0.1)]


class ImapConfig(StoreSettings, frozen=True, kw_only=True):
    """`imap.toml`. Sizes in octets, times in seconds."""

    workers: Workers = 0
    tls_directory: str = "/etc/postroom/tls"
    auth_socket: str = "/run/postroom/auth.sock"
    max_message_bytes: MessageOctets = 52_428_800  # APPEND
    # Messages that are being appended, in all workers; at least one fits in each.
    append_memory: MessageOctets = 268_435_456
    max_line: Annotated[int, Meta(ge=8000)] = 65_536  # RFC 2683 section 3.2.1.5
    max_line_before_login: Annotated[
        int,
        Meta(
            ge=1024,
            le=MOST_BEFORE_LOGIN,
            description=f"1024 to {MOST_BEFORE_LOGIN}: strangers get no more memory",
        ),
    ] = 8192
    max_connections: Count = 2000
    max_connections_per_client: Count = 50
    max_connections_per_account: Count = 40
    max_errors: Count = 10
    login_timeout: LongerSeconds = 60.0
    idle_timeout: LongerSeconds = 1800.0  # RFC 3501 section 5.4
    trusted_clients: list[str] = []

    def append_room(self, workers: int) -> int:
        """Return how many octets of messages one of `workers` processes may be receiving at a time."""
        return max(self.append_memory // workers, self.max_message_bytes)
