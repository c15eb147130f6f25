"""All families of commands."""

from typing import Final

from postroom.wire.imap import (
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

FAMILIES: Final = (
    login.FAMILY,
    idling.FAMILY,
    namespaces.FAMILY,
    selecting.FAMILY,
    folders.FAMILY,
    listing.FAMILY,
    appending.FAMILY,
    messages.FAMILY,
    fetching.FAMILY,
    searching.FAMILY,
    quotas.FAMILY,
)
