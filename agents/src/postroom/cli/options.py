"""Paths on a host, as options that all commands share.

POSTROOM_ROOT moves all defaults below another folder; each path has an option and an environment variable of its own.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def rooted(path: str) -> str:
    """Return the default path, below POSTROOM_ROOT if that is set."""
    return os.environ.get("POSTROOM_ROOT", "") + path


def _place(option: str, variable: str, path: str, help_text: str) -> Callable[[F], F]:
    return click.option(
        f"--{option}",
        option.replace("-", "_"),
        envvar=variable,
        default=lambda: rooted(path),
        show_default=path,
        type=click.Path(),
        help=help_text,
    )


directory_path = _place(
    "directory", "POSTROOM_DIRECTORY", "/var/lib/postroom/directory/directory.db", "The directory's file."
)
secrets_path = _place(
    "secrets", "POSTROOM_SECRETS", "/var/lib/postroom/secrets/secrets.db", "The password verifiers."
)
accounts_directory = _place(
    "accounts-directory", "POSTROOM_ACCOUNTS", "/var/lib/postroom/accounts", "The mailboxes' folder."
)
auth_config = _place(
    "auth-config", "POSTROOM_AUTH_CONFIG", "/etc/postroom/auth.toml", "The auth agent's settings."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
