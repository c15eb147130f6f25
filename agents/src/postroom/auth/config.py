"""Settings of the auth agent."""

from postroom.runtime.config import Settings, check, check_positive


class AuthConfig(Settings, frozen=True, kw_only=True):
    """`auth.toml`. Times in seconds."""

    secrets_path: str = "/var/lib/postroom/secrets/secrets.db"
    guesses_path: str = "/var/lib/postroom/secrets/guesses.db"
    argon2_memory_kib: int = 65_536
    argon2_time: int = 3
    argon2_parallelism: int = 4
    threads: int = 2
    max_pending: int = 500  # passwords that wait for a thread; more are answered with a temporary failure
    cache_seconds: float = 300.0  # how long a successful login is remembered; 0 switches it off
    failures_per_account: int = 10  # within the window, from addresses the account does not always use
    failures_per_client: int = 30
    failure_window: float = 600.0
    failure_delay: float = 1.0  # before the first refusal is told; it doubles with every further one
    failure_delay_maximum: float = 15.0
    max_connections: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.workers == 1, "workers", self.workers, "1: guesses are counted in one place")
        check(
            8 <= self.argon2_memory_kib <= 4_194_304,
            "argon2_memory_kib",
            self.argon2_memory_kib,
            "8 to 4194304",
        )
        check(1 <= self.argon2_time <= 100, "argon2_time", self.argon2_time, "1 to 100")
        check(1 <= self.argon2_parallelism <= 64, "argon2_parallelism", self.argon2_parallelism, "1 to 64")
        check(
            self.argon2_memory_kib >= 8 * self.argon2_parallelism,
            "argon2_memory_kib", self.argon2_memory_kib, "at least 8 for each of argon2_parallelism",
        )  # fmt: skip
        check(1 <= self.threads <= 64, "threads", self.threads, "1 to 64")
        check_positive(self, "max_pending", "failure_window", "max_connections")
        check(self.cache_seconds >= 0, "cache_seconds", self.cache_seconds, "0 or more seconds")
        check(self.failures_per_account >= 1, "failures_per_account", self.failures_per_account, "at least 1")
        check(self.failures_per_client >= 1, "failures_per_client", self.failures_per_client, "at least 1")
        check(
            0 <= self.failure_delay <= self.failure_delay_maximum <= 30,
            "failure_delay_maximum", self.failure_delay_maximum, "failure_delay to 30",
        )  # fmt: skip
