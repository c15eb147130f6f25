"""Settings of the mda."""

from postroom.runtime.config import Settings, check, check_positive


class MdaConfig(Settings, frozen=True, kw_only=True):
    """`mda.toml`. Sizes in octets, times in seconds."""

    workers: int = 0
    accounts_directory: str = "/var/lib/postroom/accounts"
    spool_directory: str = "/var/lib/postroom/spool/mda"
    notice_directory: str = "/run/postroom/notice"
    over_quota_directory: str = "/run/postroom/over-quota"
    max_message_bytes: int = 104_857_600
    max_recipients: int = 1000
    max_connections: int = 100
    max_errors: int = 10
    command_timeout: float = 300.0
    remember_deliveries: float = (
        1_209_600.0  # how long (queue id, recipient) is kept: longer than mail may queue
    )
    open_accounts: int = 1000  # about 150 KiB and four descriptors each

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.max_message_bytes
        check(size >= 65_536, "max_message_bytes", size, "at least 65536 (RFC 5321 section 4.5.3.1.7)")
        check_positive(
            self, "max_recipients", "max_connections", "max_errors", "command_timeout", "remember_deliveries",
            "open_accounts",
        )  # fmt: skip
