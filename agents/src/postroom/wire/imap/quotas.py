"""GETQUOTA, GETQUOTAROOT, SETQUOTA and their answers. RFC 9208."""

from typing import Final

from postroom.wire.imap import responses
from postroom.wire.imap.arguments import mailbox_of
from postroom.wire.imap.commands import AFTER_LOGIN, Command, Family, Verb
from postroom.wire.imap.scanner import Scanner

ROOT: Final = b'""'  # the name of an account's one quota root
_LARGEST: Final = (1 << 63) - 1


class GetQuota(Command, frozen=True):
    """RFC 9208 section 4.1.1."""

    root: bytes


class GetQuotaRoot(Command, frozen=True):
    """RFC 9208 section 4.1.2."""

    mailbox: str


class SetQuota(Command, frozen=True):
    """RFC 9208 section 4.1.3. Only the operator sets quotas, so the arguments are not kept."""


def quota_line(used: int, limit: int) -> bytes:
    """Return QUOTA for octets; STORAGE counts units of 1024 of them (RFC 9208 section 5.1)."""
    return responses.untagged(b"QUOTA", ROOT, b"(STORAGE %d %d)" % (-(-used // 1024), limit // 1024))


def quota_root_line(mailbox: str, *, limited: bool) -> bytes:
    """Return QUOTAROOT; a mailbox without a limit has no root."""
    roots = (ROOT,) if limited else ()
    return responses.untagged(b"QUOTAROOT", responses.mailbox(mailbox), *roots)


def _get_quota(scanner: Scanner) -> Command:
    scanner.space()
    return GetQuota(scanner.astring())


def _set_quota(scanner: Scanner) -> Command:
    """Read SETQUOTA as a whole, so that the refusal is NO and not BAD."""
    scanner.space()
    scanner.astring()
    scanner.space()
    scanner.open()
    first = True
    while not scanner.accept_close():
        if not first:
            scanner.space()
        first = False
        scanner.atom()
        scanner.space()
        scanner.number(_LARGEST)
    return SetQuota()


FAMILY: Final = Family(
    {
        b"GETQUOTA": Verb(AFTER_LOGIN, _get_quota),
        b"GETQUOTAROOT": Verb(AFTER_LOGIN, mailbox_of(GetQuotaRoot)),
        b"SETQUOTA": Verb(AFTER_LOGIN, _set_quota),
    },
    capabilities=(b"QUOTA", b"QUOTA=RES-STORAGE"),
)
