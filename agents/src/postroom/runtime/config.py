"""Settings: TOML files read into typed structs.

A file with an error is refused with one line that says where and why.

The bounds of a setting are declared on its field, as `msgspec.Meta`. The line shows the `description` of the Meta if
there is one; otherwise it puts the bounds into words. `__post_init__` checks what depends on two fields, with `check`.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Seconds = Annotated[float, Meta(gt=0)]
Workers = Annotated[int, Meta(ge=0, le=64)]

_AT_A_FIELD: Final = re.compile(r".* - at `\$\.(\w+)[^`]*`", re.DOTALL)


class ConfigError(Exception):
    """The settings cannot be used. The text names the file, the field and what would be right."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings that every agent has."""

    host_name: Annotated[str, Meta(pattern=r"\.", description="a full host name")]
    workers: Workers = 1  # 0: one per core where memory allows (runtime.worker_count)
    listen: dict[str, list[str]] = {}  # socket name to addresses, for runs without systemd
    run_directory: str = "/run/postroom"
    directory_path: str = "/var/lib/postroom/directory/directory.db"
    drain_seconds: Annotated[float, Meta(ge=0, le=3600, description="0 to 3600 seconds")] = 20.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"


T = TypeVar("T", bound=Settings)


def check(ok: bool, field: str, value: object, right: str) -> None:
    """Raise a ValueError with field, value and remedy, unless ok. For `__post_init__` of settings."""
    if not ok:
        raise ValueError(refusal(field, value, right))


def refusal(field: str, value: object, right: str) -> str:
    """Return the line that reports an unusable value."""
    return f"{field} = {value!r} is not usable: give {right}"


def load(path: str | Path, kind: type[T]) -> T:
    """Return the settings in the file.

    Raises ConfigError: unreadable file, malformed TOML, unknown or missing field, wrong type, value out of range.
    """
    try:
        return convert(tomllib.loads(Path(path).read_bytes().decode()), kind)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def convert(given: Mapping[str, Any], kind: type[T]) -> T:
    """Convert a mapping to settings. Raises ValueError with one line: the field, its value, what to give instead."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT_A_FIELD.fullmatch(text)
        if at is None or ", got " in text:  # msgspec's message for a wrong type is clear
            raise
        right = _right(get_type_hints(kind, include_extras=True)[at[1]])
        if not right:
            raise
        raise ValueError(refusal(at[1], given[at[1]], right)) from error


def _right(annotation: Any) -> str:
    """Put the accepted values of a field into words."""
    if get_origin(annotation) is Literal:
        return " or ".join(get_args(annotation))
    bounds = list(_bounds(annotation))
    described = [meta.description for meta in bounds if meta.description]
    return described[0] if described else " and ".join(map(_range, bounds))


def _bounds(annotation: Any) -> Iterator[Meta]:
    """Yield the bounds of a field and of the entries of a list."""
    yield from (meta for meta in getattr(annotation, "__metadata__", ()) if isinstance(meta, Meta))
    for inner in get_args(annotation):
        if not isinstance(inner, Meta):
            yield from _bounds(inner)


def _range(meta: Meta) -> str:
    if meta.le is not None:
        return f"at most {meta.le}" if meta.ge is None else f"{meta.ge} to {meta.le}"
    if meta.gt == 0 or meta.ge == 1:
        return "a positive number"
    return f"at least {meta.ge}"
