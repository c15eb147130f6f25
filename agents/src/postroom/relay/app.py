"""postroom-relay: takes messages out of the queue and delivers them, to mailboxes here and to other hosts."""

import os
import random
import ssl
from typing import Any, ClassVar, NoReturn

from postroom.contracts.errors import Unavailable
from postroom.contracts.outbox import Claim, Wanted
from postroom.contracts.queue import Hop
from postroom.couriers.lmtp import LmtpLine
from postroom.couriers.session import SessionOpener
from postroom.couriers.smtp import MxSettings, SmtpCourier
from postroom.directory.reader import SqliteDirectory
from postroom.policy.retry import Schedule
from postroom.queue.intake import open_intake
from postroom.queue.outbox import open_outbox
from postroom.relay.config import RelayConfig
from postroom.relay.deliveries import Deliveries, DeliveryServices
from postroom.relay.dispatch import LOCAL_WINDOW, MOST_HELD, Dispatcher
from postroom.relay.feeding import Feeder
from postroom.relay.keys import DkimKeys
from postroom.relay.local import LocalDelivery
from postroom.relay.parcels import ParcelMaker
from postroom.relay.reports import Reporter
from postroom.runtime.config import ConfigError
from postroom.runtime.resolver import Resolver
from postroom.runtime.service import Agent, run
from postroom.smtpd.routing import DirectoryRouter, read_srs_secrets
from postroom.wire.smtp.client import COMMAND

BATCH = 200  # recipients claimed in one transaction


class RelayAgent(Agent[RelayConfig]):
    """Delivers the messages of the queue."""

    name: ClassVar[str] = "relay"
    settings = RelayConfig

    async def start(self) -> None:
        """Open the queue, keys and trust store, then begin."""
        config, service = self.config, self.service
        self.check(config)
        directory = SqliteDirectory(config.directory_path)
        # No spare room: a report is written before its message leaves, which frees more than the report takes.
        self._own_intake = open_intake(
            config.report_spool_directory, self.name, service, config.run_directory, spare=0
        )
        self._keys = DkimKeys(config.dkim_directory, directory)
        secrets = read_srs_secrets(config.srs_secrets_file)
        router = DirectoryRouter(directory, config.host_name, service.clock, secrets)
        self._outbox = open_outbox(
            list(dict.fromkeys((*config.spool_directories, config.report_spool_directory))),
            config.report_spool_directory,
            config.run_directory,
            f"relay-{service.worker}",
            max(2 * config.retry_maximum, 3600.0),
            clock=service.clock,
            log=self.log,
        )
        self._feeder = Feeder(self._outbox, service.clock, self.log, self._submit, self._room, self._busy)
        self._courier = self._new_courier(config)
        services = DeliveryServices(
            self._courier,
            ParcelMaker(self._keys, service.clock, self.log, config.max_hops),
            Reporter(self._own_intake, router, service.clock, self.log, config.host_name),
            self._outbox,
            service.clock,
            self.log,
        )
        self._deliveries = Deliveries(services, _schedule(config), self._local_room)
        self._dispatcher = self._deliveries.dispatcher = Dispatcher(
            self._deliveries.deliver,
            self._feeder.wake,
            config.max_deliveries,
            config.max_deliveries_per_destination,
        )
        scale = config.reply_timeout / COMMAND
        lines = [
            LmtpLine(config.lmtp_socket, config.host_name, scale) for _ in range(config.lmtp_connections)
        ]
        self._local = LocalDelivery(
            lines, services.maker, self._outbox.load, self._deliveries.conclude_local, service.clock.now
        )
        try:
            await self._feeder.start()
        except Unavailable as error:
            raise ConfigError(str(error)) from error

    def _new_courier(self, config: RelayConfig) -> SmtpCourier:
        scale = config.reply_timeout / COMMAND
        opener = SessionOpener(config.host_name, self.log, config.ca_file, config.connect_timeout, scale)
        own = frozenset({config.host_name.lower()})
        mx = MxSettings(own, config.smtp_port, config.mx_ports, config.address_families)
        return SmtpCourier(Resolver(config.resolver), opener, mx, random.shuffle, scale)

    def _submit(self, claim: Claim) -> bool:
        return self._local.submit(claim) if claim.hop is Hop.MAILBOX else self._dispatcher.submit(claim)

    def _room(self) -> Wanted:
        held = self._held()
        full = self._dispatcher.full()
        if self._local.held >= LOCAL_WINDOW:
            full.append(self.config.host_name)
        return Wanted(max(0, min(BATCH, MOST_HELD - held)), full)

    def _held(self) -> int:
        return self._dispatcher.held + self._local.held

    def _busy(self) -> bool:
        return self._held() > 0

    def _local_room(self) -> None:
        if self._local.held == LOCAL_WINDOW // 2:
            self._feeder.wake()

    async def reload(self, config: RelayConfig) -> None:
        """Read keys, trust store and times again; paths and numbers of connections stay as they were."""
        self.check(config)
        self._keys.reload()
        self._courier.close()
        courier = self._new_courier(config)
        self._courier = courier
        self._deliveries.use(courier, _schedule(config))
        self.config = config

    async def drain(self) -> None:
        """Finish what is under way and release the rest."""
        self._feeder.pause()
        self._deliveries.give_back(await self._dispatcher.stop())
        self._deliveries.give_back(await self._local.stop())
        await self._deliveries.stop()
        await self._feeder.stop()
        await self._outbox.close()
        self._courier.close()
        await self._own_intake.close()

    @staticmethod
    def check(config: Any) -> None:
        """Check that secrets, trust store and keys can be read. Raises ConfigError."""
        read_srs_secrets(config.srs_secrets_file)
        try:
            if config.ca_file:
                ssl.create_default_context(cafile=config.ca_file)
            if os.path.isdir(config.dkim_directory):
                os.listdir(config.dkim_directory)
        except OSError as error:
            raise ConfigError(f"{error.filename or config.ca_file}: {error.strerror or error}") from error


def _schedule(config: RelayConfig) -> Schedule:
    return Schedule(
        config.retry_minimum,
        config.retry_maximum,
        config.warn_after,
        config.expire_after,
        config.expire_bounce_after,
    )


def main() -> NoReturn:
    """Run the console script."""
    run(RelayAgent)
