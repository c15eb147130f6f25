"""Hash passwords with the auth agent's own settings, for commands that set passwords."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from postroom.auth.config import AuthConfig
from postroom.auth.hashing import Hasher
from postroom.cli.output import Failure
from postroom.runtime.config import ConfigError, load

THREADS = 2  # each needs argon2's memory


def hasher(auth_config: str) -> Hasher:
    """Return a hasher with the settings file's parameters, or with the defaults if there is none. Raises Failure."""
    config = AuthConfig(host_name="localhost.localdomain")
    if Path(auth_config).exists():
        try:
            config = load(auth_config, AuthConfig)
        except ConfigError as error:
            raise Failure(str(error)) from error
    return Hasher(config.argon2_memory_kib, config.argon2_time, config.argon2_parallelism)


def make_all(auth_config: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """Return verifiers by account. Raises Failure."""
    if not passwords:
        return {}
    maker = hasher(auth_config)
    with ThreadPoolExecutor(THREADS) as threads:
        return dict(zip(passwords, threads.map(maker.make, passwords.values()), strict=True))


def match_all(auth_config: str, pairs: Mapping[str, tuple[str, str]]) -> dict[str, bool]:
    """Return for each account whether its password matches its verifier. Raises Failure."""
    if not pairs:
        return {}
    judge = hasher(auth_config)
    with ThreadPoolExecutor(THREADS) as threads:
        return dict(zip(pairs, threads.map(lambda pair: judge.matches(*pair), pairs.values()), strict=True))
