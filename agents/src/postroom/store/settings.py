"""The settings that all agents with mailboxes have."""

from postroom.runtime.config import Count, Settings


class StoreSettings(Settings, frozen=True, kw_only=True):
    """Where the mailboxes are, and how many accounts are held open."""

    accounts_directory: str = "/var/lib/postroom/accounts"
    notice_directory: str = "/run/postroom/notice"
    open_accounts: Count = 256  # about 150 KiB and four descriptors each
