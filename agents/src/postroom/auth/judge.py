"""The verdict on one login: name, password, client and what is known of all three."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from postroom.auth.guesses import Guesses
from postroom.auth.pool import HashPool
from postroom.auth.remembered import Remembered
from postroom.auth.secrets import SecretStore
from postroom.contracts.clock import Clock
from postroom.contracts.directory import Account, Directory
from postroom.contracts.errors import Unavailable
from postroom.wire.sasl import Plain


class Outcome(Enum):
    """The four things that can be said to a login."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome; `delay`: seconds before it is told; `account` for ACCEPTED; `detail` is for our log."""

    outcome: Outcome
    account: Account | None = None
    delay: float = 0.0
    detail: str = ""


@dataclass(eq=False)
class Judge:
    """Puts directory, secrets and counts together. Unknown, disabled and wrong cost and say the same."""

    directory: Directory
    secrets: SecretStore
    pool: HashPool
    guesses: Guesses
    remembered: Remembered
    clock: Clock
    _under_way: dict[bytes, asyncio.Future[bool | None]] = field(default_factory=dict)

    async def judge(self, plain: Plain, client: str) -> Verdict:
        """The verdict; nothing is raised."""
        try:
            account = await self.directory.login(plain.name)
            key = account.id if account is not None else _nobody(plain.name)
            verifier = self.secrets.verifier(key)
            return await self._weigh(plain, client, account, key, verifier)
        except Unavailable as error:
            return Verdict(Outcome.UNAVAILABLE, detail=str(error))

    async def _weigh(
        self, plain: Plain, client: str, account: Account | None, key: str, verifier: str | None
    ) -> Verdict:
        known = account is not None and account.enabled and verifier is not None
        checked = verifier if known and verifier is not None else self.pool.dummy
        digest = self.remembered.digest(key, checked, plain.password)
        if self._blocked(key, client):
            return self._throttled(key, client)
        if known and self.remembered.holds(digest, self.clock.steady()):
            return self._accepted(account, client)
        right = await self._checked(plain.password, checked, digest, lambda: not self._blocked(key, client))
        if right is None:
            return self._throttled(key, client)
        if not right or not known:
            return self._refused(key, client, digest)
        self.remembered.keep(digest, self.clock.steady())
        await self._renew(key, checked, plain.password)
        return self._accepted(account, client)

    async def _checked(
        self, password: str, verifier: str, digest: bytes, still_wanted: Callable[[], bool]
    ) -> bool | None:
        """One hash for all who ask the same at the same time."""
        running = self._under_way.get(digest)
        if running is None:
            running = asyncio.ensure_future(self.pool.matches(password, verifier, still_wanted))
            self._under_way[digest] = running
            running.add_done_callback(lambda _: self._under_way.pop(digest, None))
        return await asyncio.shield(running)

    async def _renew(self, account: str, verifier: str, password: str) -> None:
        fresh = await self.pool.renewed(password, verifier)
        if fresh is not None:
            self.secrets.replace(account, verifier, fresh)

    def _blocked(self, key: str, client: str) -> bool:
        return self.guesses.blocked(key, client, self.clock.now())

    def _accepted(self, account: Account | None, client: str) -> Verdict:
        if account is not None:
            self.guesses.succeeded(account.id, client, self.clock.now())
        return Verdict(Outcome.ACCEPTED, account)

    def _refused(self, key: str, client: str, digest: bytes) -> Verdict:
        now = self.clock.now()
        self.guesses.failed(key, client, digest, now)
        return Verdict(Outcome.REFUSED, delay=self.guesses.delay(key, client, now))

    def _throttled(self, key: str, client: str) -> Verdict:
        return Verdict(Outcome.THROTTLED, delay=self.guesses.delay(key, client, self.clock.now()))


def _nobody(name: str) -> str:
    """What stands for a name that nobody has: no account id looks like it, and it does not tell the name."""
    return "?" + hashlib.sha256(name.lower().encode("utf-8", "surrogatepass")).hexdigest()[:32]
