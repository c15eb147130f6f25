"""Settings of the mda."""

from typing import Annotated

from msgspec import Meta

from postroom.runtime.config import Count, Seconds, Workers
from postroom.store.settings import StoreSettings


class MdaConfig(StoreSettings, frozen=True, kw_only=True):
    """`mda.toml`. Sizes in octets, times in seconds."""

    workers: Workers = 0
    spool_directory: str = "/var/lib/postroom/spool/mda"
    over_quota_directory: str = "/run/postroom/over-quota"
    max_message_bytes: Annotated[
        int, Meta(ge=65_536, description="at least 65536 (RFC 5321 section 4.5.3.1.7)")
    ] = 104_857_600
    max_recipients: Count = 1000
    max_connections: Count = 100
    max_errors: Count = 10
    command_timeout: Seconds = 300.0
    # How long (queue id, recipient) is kept: longer than mail may queue.
    remember_deliveries: Seconds = 1_209_600.0
    open_accounts: Count = 1000
