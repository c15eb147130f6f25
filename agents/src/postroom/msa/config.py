"""Settings of the msa."""

from postroom.runtime.config import Count, Workers
from postroom.smtpd.settings import Share, SmtpSettings


class MsaConfig(SmtpSettings, frozen=True, kw_only=True):
    """`msa.toml`. Sizes in octets, times in seconds."""

    workers: Workers = 0
    spool_directory: str = "/var/lib/postroom/spool/msa"
    counters_path: str = "/var/lib/postroom/spool/msa/counters.sqlite"
    auth_socket: str = "/run/postroom/auth.sock"
    max_recipients: Count = 100
    max_recipients_local: Count = 1000  # for programs of this host, which do not retry with fewer
    # `pressure_share` for clients that have logged in and for local programs
    pressure_share_login: Share = 0.9
    messages_per_day: Count = 2000  # per account, and per local user except root
    recipients_per_day: Count = 5000
