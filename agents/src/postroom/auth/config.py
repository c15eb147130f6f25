"""Settings of the auth agent."""

from typing import Annotated

from msgspec import Meta

from postroom.runtime.config import Count, Seconds, Settings, check


class AuthConfig(Settings, frozen=True, kw_only=True):
    """`auth.toml`. Times in seconds."""

    workers: Annotated[int, Meta(ge=1, le=1, description="1: guesses are counted in one place")] = 1
    secrets_path: str = "/var/lib/postroom/secrets/secrets.db"
    guesses_path: str = "/var/lib/postroom/secrets/guesses.db"
    argon2_memory_kib: Annotated[int, Meta(ge=8, le=4_194_304)] = 65_536
    argon2_time: Annotated[int, Meta(ge=1, le=100)] = 3
    argon2_parallelism: Annotated[int, Meta(ge=1, le=64)] = 4
    threads: Annotated[int, Meta(ge=1, le=64)] = 2
    max_pending: Count = 500  # passwords that wait for a thread; further ones are refused for now
    # How long a successful login is remembered; 0 switches it off.
    cache_seconds: Annotated[float, Meta(ge=0, description="0 or more seconds")] = 300.0
    failures_per_account: Count = 10  # within the window; networks that the account uses are not counted
    failures_per_client: Count = 30
    failure_window: Seconds = 600.0
    # before the first refusal; it doubles with every further one
    failure_delay: Annotated[float, Meta(ge=0)] = 1.0
    failure_delay_maximum: Annotated[float, Meta(ge=0, le=30, description="failure_delay to 30")] = 15.0
    max_connections: Count = 500

    def __post_init__(self) -> None:
        check(
            self.argon2_memory_kib >= 8 * self.argon2_parallelism,
            "argon2_memory_kib", self.argon2_memory_kib, "at least 8 for each of argon2_parallelism",
        )  # fmt: skip
        check(
            self.failure_delay <= self.failure_delay_maximum,
            "failure_delay_maximum", self.failure_delay_maximum, "failure_delay to 30",
        )  # fmt: skip
