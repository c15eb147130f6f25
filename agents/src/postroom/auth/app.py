"""The auth agent's process."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import ClassVar

from postroom.auth.config import AuthConfig
from postroom.auth.guess_file import GuessFile
from postroom.auth.guesses import Guesses, GuessLimits
from postroom.auth.hashing import Hasher
from postroom.auth.judge import Judge
from postroom.auth.login_cache import LoginCache
from postroom.auth.pool import HashPool
from postroom.auth.secrets import SecretStore
from postroom.auth.server import AuthServer
from postroom.contracts.errors import Unavailable
from postroom.directory.reader import SqliteDirectory
from postroom.runtime.config import ConfigError
from postroom.runtime.connections import ConnectionLimits, Listener
from postroom.runtime.service import Agent, run

SAVE_EVERY = 5.0  # seconds between writes of guess counts


class AuthAgent(Agent[AuthConfig]):
    """Postroom's auth agent: judges logins over Dovecot's auth-client protocol on a unix socket."""

    name: ClassVar[str] = "auth"
    settings: ClassVar[type[AuthConfig]] = AuthConfig

    async def start(self) -> None:
        """Read the guess counts, open the secrets and serve the socket named `auth`."""
        config, clock = self.config, self.service.clock
        self.check(config)
        self._directory = SqliteDirectory(config.directory_path, clock.steady)
        self._secrets = SecretStore(config.secrets_path)
        self._file = GuessFile(config.guesses_path)
        self._guesses = Guesses(_limits(config))
        try:
            self._secrets.accounts()
            self._guesses.restore(*self._file.load())
        except Unavailable as error:
            raise ConfigError(str(error)) from error
        self._pool = HashPool(_hasher(config), config.threads, config.max_pending)
        login_cache = LoginCache(config.cache_seconds)
        self._judge = Judge(self._directory, self._secrets, self._pool, self._guesses, login_cache, clock)
        self._server = AuthServer(self._judge.judge, self.log)
        limits = ConnectionLimits(config.max_connections, config.max_connections)
        self._listener = Listener(self.log, self._server.serve, limits)
        sockets = self.service.sockets("auth")
        if not sockets:
            raise ConfigError("no auth socket: systemd gave none and listen.auth is not set")
        await self._listener.start(sockets)
        self._saving = asyncio.ensure_future(self._save_regularly())

    async def reload(self, config: AuthConfig) -> None:
        """Apply limits, hash parameters and cache time at once; paths, threads and the socket with the next start."""
        self.config = config
        self._guesses.adopt(_limits(config))
        self._pool.hasher = _hasher(config)
        self._judge.login_cache = LoginCache(config.cache_seconds)

    async def drain(self) -> None:
        """Answer the open requests, then save the counts for the next process."""
        await self._listener.stop_accepting()
        await self._server.finish(self.config.drain_seconds)
        await self._listener.wait_idle(1.0)
        self._saving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._saving
        await self._save()
        self._pool.close()
        self._secrets.close()
        self._directory.close()

    async def _save_regularly(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            await self._save()

    async def _save(self) -> None:
        tallies, known = self._guesses.take_changes()
        if not tallies and not known:
            return
        try:
            await asyncio.to_thread(self._file.save, tallies, known)
        except Unavailable as error:
            self.log.error(str(error))

    @staticmethod
    def check(config: AuthConfig) -> None:
        """Check that the secrets' folder exists and is writable. Raises ConfigError."""
        folder = Path(config.secrets_path).parent
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(f"secrets_path: {folder} is missing, or may not be read and written")


def _hasher(config: AuthConfig) -> Hasher:
    return Hasher(config.argon2_memory_kib, config.argon2_time, config.argon2_parallelism)


def _limits(config: AuthConfig) -> GuessLimits:
    return GuessLimits(
        config.failures_per_account,
        config.failures_per_client,
        config.failure_window,
        config.failure_delay,
        config.failure_delay_maximum,
    )


def main() -> None:
    """Run the console script postroom-auth."""
    run(AuthAgent)
