"""How much an account may hold, as the directory says."""

from postroom.contracts.directory import Directory
from postroom.contracts.errors import Unavailable


class DirectoryQuotas:
    """Implements contracts.store.Quotas; a limit that was known once is used while the directory cannot be read."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._known: dict[str, int] = {}

    async def limit(self, account_id: str) -> int:
        """Return the account's limit in octets, 0 for no limit. Raises Unavailable."""
        try:
            account = await self._directory.account(account_id)
        except Unavailable:
            if account_id not in self._known:
                raise
            return self._known[account_id]
        limit = self._known[account_id] = account.quota_bytes if account is not None else 0
        return limit
