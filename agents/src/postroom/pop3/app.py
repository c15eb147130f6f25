"""The pop3 agent's process: connects settings, sockets, certificates, store and sessions."""

import os
from typing import ClassVar

from postroom.couriers.auth import AuthClient
from postroom.directory.reader import SqliteDirectory
from postroom.pop3.config import Pop3Config
from postroom.pop3.context import Pop3Context
from postroom.pop3.conversation import Conversation
from postroom.pop3.login import MaildropEntrance
from postroom.runtime.config import ConfigError
from postroom.runtime.connections import Connection, ConnectionLimits, Listener, connection_limits
from postroom.runtime.service import Agent, run
from postroom.runtime.tls import TlsStore
from postroom.store import DirectoryQuotas, News, open_store

FULL = b"-ERR [SYS/TEMP] too many connections\r\n"


class Pop3Agent(Agent[Pop3Config]):
    """Serves people's INBOX over POP3: port 110 with STLS, 995 with TLS from the start."""

    name: ClassVar[str] = "pop3"
    settings: ClassVar[type[Pop3Config]] = Pop3Config
    counters: ClassVar[tuple[str, ...]] = ("clients",)

    async def start(self) -> None:
        """Read the certificates, open the store, accept connections. Raises ConfigError without sockets."""
        config, service = self.config, self.service
        self.check(config)
        self._tls = TlsStore(config.tls_directory)
        self._tls.load()
        self._directory = SqliteDirectory(config.directory_path, service.clock.steady)
        self._auth = AuthClient(config.auth_socket)
        self._store = open_store(
            config.accounts_directory,
            News(config.notice_directory),
            service.clock,
            open_accounts=service.share(config.open_accounts),
            quotas=DirectoryQuotas(self._directory),
            on_fatal=service.fail,
            warn=service.log.warning,
        )
        self._entrance = MaildropEntrance("pop3", self._auth, self._directory, self._store)
        self._conversations: set[Conversation] = set()
        limits, counter = _limits(config), service.counter("clients")
        plain = Listener(self.log, self._serve, limits, refuse=FULL, counter=counter)
        secured = Listener(self.log, self._serve, limits, tls=self._tls.context, counter=counter)
        self._listeners = (plain, secured)
        sockets = service.sockets("pop3"), service.sockets("pop3s")
        if not any(sockets):
            raise ConfigError(
                "no POP3 socket: systemd gave none and listen.pop3 and listen.pop3s are not set"
            )
        for listener, listening in zip(self._listeners, sockets, strict=True):
            await listener.start(listening)

    async def reload(self, config: Pop3Config) -> None:
        """Read certificates and limits again, for new connections; paths change with the next start."""
        limits = _limits(config)
        self._tls.reload()
        self.config = config
        for listener in self._listeners:
            listener.limits = limits

    async def drain(self) -> None:
        """Let commands that are being answered finish, and end all sessions."""
        for listener in self._listeners:
            await listener.stop_accepting()
        for conversation in tuple(self._conversations):
            conversation.leave()
        for listener in self._listeners:
            await listener.wait_idle(self.config.drain_seconds)
        await self._auth.close()
        await self._store.close()
        self._directory.close()

    async def _serve(self, connection: Connection) -> None:
        clock = self.service.clock
        context = Pop3Context(self._entrance, self.config, self.log, self._tls.context, clock.steady)
        conversation = Conversation(connection, context)
        self._conversations.add(conversation)
        try:
            await conversation.serve()
        finally:
            self._conversations.discard(conversation)

    @staticmethod
    def check(config: Pop3Config) -> None:
        """Check the folder of mailboxes, the certificates and the networks. Raises ConfigError."""
        if not os.access(config.accounts_directory, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(
                f"accounts_directory = {config.accounts_directory!r}: not a folder that can be written"
            )
        TlsStore(config.tls_directory).load()
        _limits(config)


def _limits(config: Pop3Config) -> ConnectionLimits:
    return connection_limits(
        config.max_connections, config.max_connections_per_client, config.trusted_clients
    )


def main() -> None:
    """Run the console script postroom-pop3."""
    run(Pop3Agent)
