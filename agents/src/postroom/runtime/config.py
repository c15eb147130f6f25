"""Settings: TOML files read into typed structs, refused as a whole with one line that says where and why."""

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec


class ConfigError(Exception):
    """The settings cannot be used; the text names file, field and what would be right."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every agent has. `listen` is for runs without systemd: socket name to addresses."""

    host_name: str
    workers: int = 1  # 0: one per core where memory allows (runtime.headcount)
    listen: dict[str, list[str]] = {}
    run_directory: str = "/run/postroom"
    directory_path: str = "/var/lib/postroom/directory/directory.db"
    drain_seconds: float = 20.0
    log_level: str = "info"

    def __post_init__(self) -> None:
        check(bool(self.host_name) and "." in self.host_name, "host_name", self.host_name, "a full host name")
        check(0 <= self.workers <= 64, "workers", self.workers, "0 to 64")
        levels = ("debug", "info", "warning", "error")
        check(self.log_level in levels, "log_level", self.log_level, " or ".join(levels))
        check(0 <= self.drain_seconds <= 3600, "drain_seconds", self.drain_seconds, "0 to 3600 seconds")


T = TypeVar("T", bound=Settings)


def check(ok: bool, field: str, value: object, right: str) -> None:
    """Raise a ValueError that names field, value and remedy, unless ok. For `__post_init__` of settings."""
    if not ok:
        raise ValueError(f"{field} = {value!r} is not usable: give {right}")


def check_positive(settings: Settings, *names: str) -> None:
    """Raise a ValueError for the first of these numbers that is not above 0."""
    for name in names:
        value = getattr(settings, name)
        check(value > 0, name, value, "a positive number")


def load(path: str | Path, kind: type[T]) -> T:
    """The settings in the file.

    Raises ConfigError: unreadable, no TOML, unknown or missing field, wrong type, value out of range.
    """
    try:
        text = Path(path).read_bytes().decode()
        return msgspec.convert(tomllib.loads(text), kind)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
