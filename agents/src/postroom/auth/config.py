"""Settings of the auth agent."""

from postroom.runtime.config import Settings


class AuthConfig(Settings, frozen=True, kw_only=True):
    """`auth.toml`. Times in seconds."""

    secrets_path: str = "/var/lib/postroom/secrets/secrets.db"
    guesses_path: str = "/var/lib/postroom/secrets/guesses.db"
    argon2_memory_kib: int = 65_536
    argon2_time: int = 3
    argon2_parallelism: int = 4
    threads: int = 2
    cache_seconds: float = 300.0  # how long a successful login is remembered; 0 switches it off
    failures_per_account: int = 10  # within the window, from addresses the account does not always use
    failures_per_client: int = 30
    failure_window: float = 600.0
    max_connections: int = 500
