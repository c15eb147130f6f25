"""All command handlers, gathered from the families."""

from collections.abc import Mapping
from typing import Any, Final

from postroom.imap import (
    appending,
    fetching,
    folders,
    idling,
    listing,
    login,
    messages,
    namespaces,
    quotas,
    searching,
    selecting,
)
from postroom.imap.dispatch import CommandHandler
from postroom.wire.imap.commands import Command

FAMILIES: Final = (
    login, namespaces, selecting, folders, listing, appending, idling, quotas, messages, searching, fetching,
)  # fmt: skip
HANDLERS: Final[Mapping[type[Command], CommandHandler[Any]]] = {
    handler.command: handler for family in FAMILIES for handler in family.HANDLERS
}
