"""postroom-mta: accepts mail from other MTAs at port 25."""

from typing import NoReturn

from postroom.couriers.fullness import FullAccountsFolder
from postroom.directory.reader import SqliteDirectory
from postroom.mta.config import MtaConfig
from postroom.mta.reception import MtaReception
from postroom.mta.repetition import Repetition, shared_secret
from postroom.mta.verification import Verifier
from postroom.queue.intake import open_intake
from postroom.runtime.resolver import Resolver
from postroom.runtime.service import Agent, run
from postroom.runtime.tls import TlsStore
from postroom.smtpd.reception import ListenerSettings
from postroom.smtpd.routing import DirectoryRouter, read_srs_secrets
from postroom.smtpd.server import SmtpServer
from postroom.smtpd.settings import check_listener, session_limits


class MtaAgent(Agent[MtaConfig]):
    """Receives mail for our domains from other servers."""

    name = "mta"
    settings = MtaConfig
    counters = ("smtp",)

    async def start(self) -> None:
        """Create all objects, then serve the `smtp` sockets."""
        config, service = self.config, self.service
        self.check(config)
        self._tls = TlsStore(config.tls_directory)
        self._tls.load()
        self._directory = SqliteDirectory(config.directory_path, service.clock.steady)
        self._spool = open_intake(config.spool_directory, self.name, service, config.run_directory)
        self._repetition = Repetition(shared_secret(config.spool_directory))
        self._reception = self._new_reception(config)
        self._server = SmtpServer(
            host_name=config.host_name,
            reception=self._reception,
            limits=session_limits(config, config.max_recipients),
            listener=ListenerSettings("smtp"),
            log=self.log,
            certificates=self._tls.context,
            counter=service.counter("smtp"),
        )
        await self._server.start(service.sockets("smtp"))

    def _new_reception(self, config: MtaConfig) -> MtaReception:
        clock = self.service.clock
        verifier = None
        if config.verify_authentication:
            verifier = Verifier(
                Resolver(config.resolver), config.host_name, clock, honour_dmarc=config.honour_dmarc
            )
        return MtaReception(
            config=config,
            spool=self._spool,
            router=DirectoryRouter(
                self._directory,
                config.host_name,
                clock,
                read_srs_secrets(config.srs_secrets_file),
                config.own_addresses,
            ),
            verifier=verifier,
            fullness=FullAccountsFolder(config.over_quota_directory),
            repetition=self._repetition,
            clock=clock,
            log=self.log,
        )

    async def reload(self, config: MtaConfig) -> None:
        """Apply the settings to new sessions and messages, and read the certificates again."""
        self._tls.reload()
        self._server.reception = self._new_reception(config)
        self._server.use(session_limits(config, config.max_recipients))
        self.config = config

    async def drain(self) -> None:
        """Finish the transactions in progress."""
        await self._server.drain(self.config.drain_seconds)
        await self._spool.close()
        self._directory.close()

    @staticmethod
    def check(config: MtaConfig) -> None:
        """Check that certificates and secrets can be read. Raises ConfigError."""
        check_listener(config)


def main() -> NoReturn:
    """Run the console script."""
    run(MtaAgent)
