"""The verdict on one login: name, password, client and what is known of all three."""

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from postroom.auth.guesses import Guesses
from postroom.auth.login_cache import LoginCache
from postroom.auth.pool import HashPool
from postroom.auth.secrets import SecretStore
from postroom.contracts.clock import Clock
from postroom.contracts.directory import Account, Directory
from postroom.contracts.errors import Unavailable
from postroom.wire.sasl import Plain


class LoginOutcome(Enum):
    """The four answers to a login."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class LoginVerdict:
    """The answer to a login.

    `delay` is the shortest time from question to answer, in seconds; `account` is set for ACCEPTED; `detail` is for the
    log.
    """

    outcome: LoginOutcome
    account: Account | None = None
    delay: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Try:
    """One password to check against one verifier for one client."""

    key: str
    client: str
    password: str = field(repr=False)
    verifier: str = field(repr=False)
    digest: bytes = field(repr=False)


@dataclass(eq=False)
class Judge:
    """Judges logins by directory, secrets and counts.

    Unknown, disabled and wrong take the same time and get the same answer.
    """

    directory: Directory
    secrets: SecretStore
    pool: HashPool
    guesses: Guesses
    login_cache: LoginCache
    clock: Clock
    _under_way: dict[_Try, asyncio.Future[bool | None]] = field(default_factory=dict)

    async def judge(self, plain: Plain, client: str) -> LoginVerdict:
        """Return the verdict. Raises nothing."""
        try:
            account = await self.directory.login(plain.name)
            key = account.id if account is not None else _nobody(plain.name)
            verifier = self.secrets.verifier(key)
            return await self._weigh(plain, client, account, key, verifier)
        except Unavailable as error:
            return LoginVerdict(LoginOutcome.UNAVAILABLE, detail=str(error))

    async def _weigh(
        self, plain: Plain, client: str, account: Account | None, key: str, verifier: str | None
    ) -> LoginVerdict:
        known = account is not None and account.enabled and verifier is not None
        checked = verifier if known and verifier is not None else self.pool.hasher.dummy
        digest = self.login_cache.digest(key, checked, plain.password)
        if self._blocked(key, client):
            return self._throttled(key, client)
        if known and self.login_cache.holds(digest, self.clock.steady()):
            return self._accepted(account, client)
        right = await self._together(_Try(key, client, plain.password, checked, digest))
        if right is None:
            return self._throttled(key, client)
        if not right or not known:
            delay = self.guesses.delay(key, client, self.clock.now())
            return LoginVerdict(LoginOutcome.REFUSED, delay=delay)
        return self._accepted(account, client)

    async def _together(self, attempt: _Try) -> bool | None:
        """Hash once for all who try the same password at the same time.

        Return None if the account was blocked meanwhile.
        """
        running = self._under_way.get(attempt)
        if running is None:
            running = asyncio.ensure_future(self._check(attempt))
            self._under_way[attempt] = running
            running.add_done_callback(lambda _: self._under_way.pop(attempt, None))
        return await asyncio.shield(running)

    async def _check(self, attempt: _Try) -> bool | None:
        """Check the password in a thread.

        Once a thread is free, check the block again; count a failure before freeing it.
        """
        async with self.pool.slot():
            if self._blocked(attempt.key, attempt.client):
                return None
            if not await self.pool.matches(attempt.password, attempt.verifier):
                self.guesses.failed(attempt.key, attempt.client, attempt.digest, self.clock.now())
                return False
            self.login_cache.keep(attempt.digest, self.clock.steady())
            fresh = await self.pool.renewed(attempt.password, attempt.verifier)
            if fresh is not None:
                with suppress(Unavailable):  # the login is right even if the new verifier cannot be stored
                    self.secrets.replace(attempt.key, attempt.verifier, fresh)
            return True

    def _blocked(self, key: str, client: str) -> bool:
        return self.guesses.blocked(key, client, self.clock.now())

    def _accepted(self, account: Account | None, client: str) -> LoginVerdict:
        if account is not None:
            self.guesses.succeeded(account.id, client, self.clock.now())
        return LoginVerdict(LoginOutcome.ACCEPTED, account)

    def _throttled(self, key: str, client: str) -> LoginVerdict:
        return LoginVerdict(LoginOutcome.THROTTLED, delay=self.guesses.delay(key, client, self.clock.now()))


def _nobody(name: str) -> str:
    """Return the substitute for an unknown name. No account id looks like it, and it does not reveal the name."""
    return "?" + hashlib.sha256(name.lower().encode("utf-8", "surrogatepass")).hexdigest()[:32]
