"""Settings of the msa."""

from postroom.runtime.config import check
from postroom.smtpd.settings import ListenerSettings, check_share


class MsaConfig(ListenerSettings, frozen=True, kw_only=True):
    """`msa.toml`. Sizes in octets, times in seconds."""

    workers: int = 0
    spool_directory: str = "/var/lib/postroom/spool/msa"
    counters_path: str = "/var/lib/postroom/spool/msa/counters.sqlite"
    auth_socket: str = "/run/postroom/auth.sock"
    max_recipients: int = 100
    max_recipients_local: int = 1000  # for programs of this host, which do not try again with fewer
    pressure_share_login: float = (
        0.9  # as pressure_share, for who has logged in and for programs of this host
    )
    messages_per_day: int = 2000  # per account, and per local user but root
    recipients_per_day: int = 5000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_recipients_local", "messages_per_day", "recipients_per_day"):
            value = getattr(self, name)
            check(value > 0, name, value, "a positive number")
        check_share(self, "pressure_share_login")
