"""postroom-msa: takes mail from our own people at 465 and 587, and from programs of this host."""

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
from postroom.smtpd.reception import Limits, Manner
from postroom.smtpd.routing import DirectoryRouter, read_srs_secrets
from postroom.smtpd.server import SmtpServer
from postroom.smtpd.settings import check_listener, limits

MANNERS: Final = (
    Manner("submission", login=True),
    Manner("submissions", starttls=False, implicit_tls=True, login=True),
    Manner("local", starttls=False, local=True),
)


class MsaAgent(Agent[MsaConfig]):
    """Receives mail from people who log in, and from local programs."""

    name = "msa"
    settings = MsaConfig
    crowds = (*(manner.service for manner in MANNERS), "handshakes")

    async def start(self) -> None:
        """Open spool, counters and certificates, then serve each kind of socket that there is."""
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
        self._servers = [self._new_server(config, manner) for manner in MANNERS]
        for server in self._servers:
            await server.start(service.sockets(server.manner.service))

    def _new_server(self, config: MsaConfig, manner: Manner) -> SmtpServer:
        return SmtpServer(
            host_name=config.host_name,
            reception=self._reception,
            limits=server_limits(config, manner),
            manner=manner,
            log=self.log,
            certificates=self._tls.context,
            crowd=self.service.crowd(manner.service),
            shaking=self.service.crowd("handshakes"),
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
        """New settings for what begins from now on; certificates are read again."""
        self._tls.reload()
        reception = self._new_reception(config)
        for server in self._servers:
            server.reception = reception
            server.use(server_limits(config, server.manner))
        self.config = config

    async def drain(self) -> None:
        """Finish the transactions under way."""
        await asyncio.gather(*(server.drain(self.config.drain_seconds) for server in self._servers))
        await self._spool.close()
        self._counters.close()
        await self._auth.close()
        self._directory.close()

    @staticmethod
    def check(config: MsaConfig) -> None:
        """Certificates and secrets can be read. Raises ConfigError."""
        check_listener(config)


def server_limits(config: MsaConfig, manner: Manner) -> Limits:
    """What one of our listeners allows. Raises ConfigError."""
    found = limits(config, config.max_recipients_local if manner.local else config.max_recipients)
    return replace(found, pressure_share_login=config.pressure_share_login)


def main() -> NoReturn:
    """The console script."""
    run(MsaAgent)
