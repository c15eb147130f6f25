"""Settings of the mta."""

from postroom.runtime.config import check
from postroom.smtpd.settings import ListenerSettings


class MtaConfig(ListenerSettings, frozen=True, kw_only=True):
    """`mta.toml`. Sizes in octets, times in seconds."""

    workers: int = 0
    spool_directory: str = "/var/lib/postroom/spool/mta"
    resolver: str = "127.0.0.1:53"
    verify_authentication: bool = True  # SPF, DKIM, DMARC
    honour_dmarc: bool = True
    over_quota_directory: str = "/run/postroom/over-quota"  # flags published by the mda

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self.max_recipients >= 100,
            "max_recipients",
            self.max_recipients,
            "at least 100 (RFC 5321 4.5.3.1.8)",
        )
