"""What all sessions of the agent share."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from postroom.pop3.config import Pop3Config
from postroom.pop3.login import MaildropEntrance
from postroom.runtime.log import Log


@dataclass(frozen=True)
class Pop3Context:
    """Settings and services that the agent builds once."""

    entrance: MaildropEntrance
    config: Pop3Config
    log: Log
    tls: Callable[[], ssl.SSLContext]
    steady: Callable[[], float]
