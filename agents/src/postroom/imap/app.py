"""The imap agent's process: connects settings, sockets, certificates, store and sessions."""

from typing import Any, ClassVar

from postroom.couriers.auth import AuthClient
from postroom.directory.reader import SqliteDirectory
from postroom.imap.config import ImapConfig
from postroom.imap.context import ImapContext
from postroom.imap.dispatch import CommandDispatcher
from postroom.imap.handlers import HANDLERS
from postroom.imap.session import ImapSession
from postroom.runtime.config import Settings
from postroom.runtime.connections import Connection, ConnectionLimits, Listener, connection_limits
from postroom.runtime.service import Agent, run
from postroom.runtime.tls import TlsStore
from postroom.store import DirectoryQuotas, News, open_store

FULL = b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n"


class ImapAgent(Agent[ImapConfig]):
    """Serves mailboxes over IMAP4rev1: 143 with STARTTLS, 993 with TLS from the start."""

    name = "imap"
    settings: ClassVar[type[Settings]] = ImapConfig
    counters = ("clients", "accounts")

    async def start(self) -> None:
        """Read the certificates, open the store, serve the sockets named `imap` and `imaps`."""
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
        self._context = ImapContext(
            config=config,
            clock=service.clock,
            log=service.log,
            authenticator=self._auth,
            directory=self._directory,
            store=self._store,
            tls=self._tls.context,
            logins=service.counter("accounts"),
            workers=service.workers,
        )
        self._dispatchers: set[CommandDispatcher] = set()
        limits, counter = _limits(config), service.counter("clients")
        self._listeners = {
            "imap": Listener(self.log, self._serve, limits, refuse=FULL, counter=counter),
            "imaps": Listener(self.log, self._serve, limits, tls=self._tls.context, counter=counter),
        }
        for name, listener in self._listeners.items():
            await listener.start(service.sockets(name))

    async def reload(self, config: ImapConfig) -> None:
        """Read certificates and limits again; sessions that are open keep what they have."""
        self._tls.reload()
        self.config = self._context.config = config
        self._context.incoming.octets = config.append_room(self.service.workers)
        for listener in self._listeners.values():
            listener.limits = _limits(config)

    async def drain(self) -> None:
        """Say BYE to every session, after the command that it is carrying out."""
        for listener in self._listeners.values():
            await listener.stop_accepting()
        for dispatcher in tuple(self._dispatchers):
            dispatcher.shut_down()
        for listener in self._listeners.values():
            await listener.wait_idle(self.config.drain_seconds)
        await self._auth.close()
        await self._store.close()
        self._directory.close()

    @staticmethod
    def check(config: Any) -> None:
        """Check that the certificates are readable and fit, and that the networks are networks. Raises ConfigError."""
        TlsStore(config.tls_directory).load()
        _limits(config)

    async def _serve(self, connection: Connection) -> None:
        dispatcher = CommandDispatcher(ImapSession(connection, self._context), HANDLERS)
        self._dispatchers.add(dispatcher)
        try:
            await dispatcher.run()
        finally:
            self._dispatchers.discard(dispatcher)


def _limits(config: ImapConfig) -> ConnectionLimits:
    return connection_limits(
        config.max_connections, config.max_connections_per_client, config.trusted_clients
    )


def main() -> None:
    """Run the console script postroom-imap."""
    run(ImapAgent)
