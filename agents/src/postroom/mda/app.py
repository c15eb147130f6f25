"""postroom-mda: takes messages by LMTP and puts them into mailboxes."""

import asyncio
import contextlib
import os
from typing import Any, ClassVar

from postroom.contracts.errors import MailError
from postroom.couriers.fullness import FullnessFolder
from postroom.directory.reader import SqliteDirectory
from postroom.mda.config import MdaConfig
from postroom.mda.delivery import Deliverer
from postroom.mda.sessions import LARGE_AT_ONCE, Sessions
from postroom.runtime.config import ConfigError
from postroom.runtime.connections import ConnectionLimits, Listener
from postroom.runtime.service import Agent, run
from postroom.store import DirectoryQuotas, News, open_store

REVIEW_SECONDS = 30.0  # between two checks of the accounts recorded as full


class MdaAgent(Agent[MdaConfig]):
    """Delivers mail by LMTP on a unix socket into the mailbox store."""

    name: ClassVar[str] = "mda"
    settings = MdaConfig
    counters = ("clients",)

    async def start(self) -> None:
        config, service = self.config, self.service
        self.check(config)
        # The store's group shares all new files; sockets get their modes explicitly.
        os.umask(0o007)
        self._directory = SqliteDirectory(config.directory_path, service.clock.steady)
        self._store = open_store(
            config.accounts_directory,
            News(config.notice_directory),
            service.clock,
            open_accounts=service.share(config.open_accounts),
            quotas=DirectoryQuotas(self._directory),
            remember_deliveries=config.remember_deliveries,
            on_fatal=service.fail,
            warn=service.log.warning,
        )
        self._deliverer = Deliverer(
            self._directory,
            self._store,
            FullnessFolder(config.over_quota_directory),
            service.clock,
            self.log,
            config.host_name,
        )
        self._sessions = Sessions(self._deliverer, lambda: self.config, service.share(LARGE_AT_ONCE))
        limits = ConnectionLimits(total=config.max_connections, per_client=config.max_connections)
        self._listener = Listener(
            self.log,
            self._sessions.serve,
            limits,
            refuse=b"421 4.3.2 Too many connections\r\n",
            counter=service.counter("clients"),
        )
        sockets = service.sockets("lmtp")
        if not sockets:
            raise ConfigError("no LMTP socket: systemd gave none and listen.lmtp is not set")
        await self._listener.start(sockets)
        self._review = asyncio.ensure_future(self._review_fullness())

    async def drain(self) -> None:
        self._review.cancel()
        await self._listener.stop_accepting()
        self._sessions.leave()
        await self._listener.wait_idle(self.config.drain_seconds)
        await self._store.close()
        self._directory.close()

    async def _review_fullness(self) -> None:
        while True:
            with contextlib.suppress(MailError):
                await self._deliverer.review_fullness()
            await asyncio.sleep(REVIEW_SECONDS)

    @staticmethod
    def check(config: Any) -> None:
        """Raise ConfigError unless the accounts' folder can be read and written."""
        if not os.access(config.accounts_directory, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(
                f"accounts_directory = {config.accounts_directory!r}: not a folder that can be written"
            )


def main() -> None:
    """Run the console script."""
    run(MdaAgent)
