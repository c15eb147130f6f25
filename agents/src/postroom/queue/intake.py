"""Opens the queue's writing side for an agent."""

from postroom.contracts.errors import Unavailable
from postroom.contracts.queue import Intake
from postroom.queue.sqlite.lifecycle import Spool
from postroom.queue.sqlite.reserve import SPARE
from postroom.runtime.config import ConfigError
from postroom.runtime.service import Service


def open_intake(
    directory: str, agent: str, service: Service, run_directory: str, *, spare: int = SPARE
) -> Intake:
    """Open the spool of one worker of an agent. `spare`: octets left free on the disk. Raises ConfigError."""
    spool = Spool(
        directory,
        service.worker,
        service.clock,
        service.fail,
        agent=agent,
        run_directory=run_directory,
        spare=spare,
    )
    try:
        spool.open()
    except Unavailable as error:
        raise ConfigError(str(error)) from error
    return spool
