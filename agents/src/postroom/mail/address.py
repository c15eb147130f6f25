"""Mail addresses. RFC 5321 sections 4.1.2 and 4.1.3, RFC 5322 section 3.4.1 where they agree."""

import re
from dataclasses import dataclass

MAX_LOCAL = 64  # RFC 5321 section 4.5.3.1.1
MAX_DOMAIN = 255  # RFC 5321 section 4.5.3.1.2
MAX_ADDRESS = 254  # a path of 256 octets less its angle brackets, RFC 5321 section 4.5.3.1.3

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED_STRING = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"')
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LITERAL = re.compile(r"\[(?:[0-9.]{7,15}|IPv6:[0-9A-Fa-f:.]{2,45})\]", re.IGNORECASE)


class AddressError(ValueError):
    """The text is no address that SMTP can carry."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: `local` unquoted, `domain` in lower case (or an address literal in brackets)."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{quoted_local(self.local)}@{self.domain}"

    @property
    def key(self) -> str:
        """The form in which the directory keeps it: wholly in lower case."""
        return f"{quoted_local(self.local)}@{self.domain}".lower()

    def split_detail(self, separator: str) -> tuple["Address", str]:
        """`user+tag` as (`user`, `tag`); the address itself and "" where there is no tag. RFC 5233."""
        if not separator:
            return self, ""
        user, mark, detail = self.local.partition(separator)
        if not mark or not user:
            return self, ""
        return Address(user, self.domain), detail


def quoted_local(local: str) -> str:
    """A local part as it stands in an address: quoted only where it must be. RFC 5321 section 4.1.2."""
    if _DOT_STRING.fullmatch(local):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse_domain(text: str) -> str:
    """A domain name in lower case.

    Raises AddressError: not letters, digits, hyphens and dots, or too long.
    """
    if len(text) > MAX_DOMAIN or not _DOMAIN.fullmatch(text):
        raise AddressError("not a domain name")
    return text.lower()


def parse_path(text: str) -> Address:
    """An address as it comes and goes in envelopes: the local part may be longer than 64 octets.

    Senders of bounces and rewritten senders are, and do travel (RFC 5321 section 4.5.3.1); what needs quotes may
    not. Raises AddressError.
    """
    local, _, domain = text.rpartition("@")
    if len(local) <= MAX_LOCAL or len(text) > MAX_ADDRESS or not _DOT_STRING.fullmatch(local):
        return parse_address(text)
    return Address(local, parse_address(f"x@{domain}").domain)


def parse_address(text: str) -> Address:
    """`local@domain` as RFC 5321's Mailbox: dot-string or quoted-string, domain or address literal, ASCII only.

    Raises AddressError: with what is wrong, never with the text itself.
    """
    if len(text) > MAX_LOCAL + 1 + MAX_DOMAIN or not text.isascii():
        raise AddressError("address too long or not ASCII")
    local, at, domain = text.rpartition("@")
    if not at:
        raise AddressError("address without @")
    if len(local) > MAX_LOCAL:
        raise AddressError("local part over 64 octets")
    domain = domain.lower() if _LITERAL.fullmatch(domain) else parse_domain(domain)
    if _DOT_STRING.fullmatch(local):
        return Address(local, domain)
    if _QUOTED_STRING.fullmatch(local):
        return Address(re.sub(r"\\(.)", r"\1", local[1:-1]), domain)
    raise AddressError("malformed local part")
