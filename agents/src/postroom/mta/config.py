"""Settings of the mta."""

from typing import Annotated

from msgspec import Meta

from postroom.runtime.config import Workers
from postroom.smtpd.settings import SmtpSettings


class MtaConfig(SmtpSettings, frozen=True, kw_only=True):
    """`mta.toml`. Sizes in octets, times in seconds."""

    workers: Workers = 0
    max_recipients: Annotated[int, Meta(ge=100, description="at least 100 (RFC 5321 4.5.3.1.8)")] = 1000
    spool_directory: str = "/var/lib/postroom/spool/mta"
    resolver: str = "127.0.0.1:53"
    verify_authentication: bool = True  # SPF, DKIM, DMARC
    honour_dmarc: bool = True
    over_quota_directory: str = "/run/postroom/over-quota"  # flags that the mda publishes
