"""postroom-msa: accepts mail from our own users at 465 and 587, and from programs of this host."""

import asyncio
from dataclasses import replace
from typing import Final, NoReturn

from postroom.couriers.auth import AuthClient
from postroom.directory.reader import SqliteDirectory
from postroom.entrance.admission import Entrance
from postroom.msa.config import MsaConfig
from postroom.msa.counters import Counters
from postroom.msa.reception import MsaReception
from postroom.queue.intake import open_intake
from postroom.runtime.service import Agent, run
from postroom.runtime.tls import TlsStore
from postroom.smtpd.reception import ListenerSettings, SessionLimits
from postroom.smtpd.routing import DirectoryRouter, read_srs_secrets
from postroom.smtpd.server import SmtpServer
from postroom.smtpd.settings import check_listener, session_limits

LISTENERS: Final = (
    ListenerSettings("submission", login=True),
    ListenerSettings("submissions", starttls=False, implicit_tls=True, login=True),
    ListenerSettings("local", starttls=False, local=True),
)


class MsaAgent(Agent[MsaConfig]):
    """Receives mail from clients that log in, and from local programs."""

    name = "msa"
    settings = MsaConfig
    counters = (*(listener.service for listener in LISTENERS), "handshakes")

    async def start(self) -> None:
        """Create all objects, then serve each kind of socket that exists."""
        config, service = self.config, self.service
        self.check(config)
        self._tls = TlsStore(config.tls_directory)
        self._tls.load()
        self._directory = SqliteDirectory(config.directory_path, service.clock.steady)
        self._auth = AuthClient(config.auth_socket)
        self._entrance = Entrance("smtp", self._auth, self._directory)
        self._spool = open_intake(config.spool_directory, self.name, service, config.run_directory)
        self._counters = Counters(config.counters_path)
        self._reception = self._new_reception(config)
        self._servers = [self._new_server(config, listener) for listener in LISTENERS]
        for server in self._servers:
            await server.start(service.sockets(server.listener.service))

    def _new_server(self, config: MsaConfig, listener: ListenerSettings) -> SmtpServer:
        return SmtpServer(
            host_name=config.host_name,
            reception=self._reception,
            limits=listener_limits(config, listener),
            listener=listener,
            log=self.log,
            certificates=self._tls.context,
            counter=self.service.counter(listener.service),
            handshakes=self.service.counter("handshakes"),
        )

    def _new_reception(self, config: MsaConfig) -> MsaReception:
        clock = self.service.clock
        return MsaReception(
            config=config,
            spool=self._spool,
            router=DirectoryRouter(
                self._directory,
                config.host_name,
                clock,
                read_srs_secrets(config.srs_secrets_file),
                config.own_addresses,
            ),
            directory=self._directory,
            entrance=self._entrance,
            counters=self._counters,
            clock=clock,
            log=self.log,
        )

    async def reload(self, config: MsaConfig) -> None:
        """Apply the settings to new sessions and messages, and read the certificates again."""
        self._tls.reload()
        reception = self._new_reception(config)
        for server in self._servers:
            server.reception = reception
            server.use(listener_limits(config, server.listener))
        self.config = config

    async def drain(self) -> None:
        """Finish the transactions in progress."""
        await asyncio.gather(*(server.drain(self.config.drain_seconds) for server in self._servers))
        await self._spool.close()
        self._counters.close()
        await self._auth.close()
        self._directory.close()

    @staticmethod
    def check(config: MsaConfig) -> None:
        """Check that certificates and secrets can be read. Raises ConfigError."""
        check_listener(config)


def listener_limits(config: MsaConfig, listener: ListenerSettings) -> SessionLimits:
    """Return the limits of one listener. Raises ConfigError."""
    found = session_limits(config, config.max_recipients_local if listener.local else config.max_recipients)
    return replace(found, pressure_share_login=config.pressure_share_login)


def main() -> NoReturn:
    """Run the console script."""
    run(MsaAgent)
