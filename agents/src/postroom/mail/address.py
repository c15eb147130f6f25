"""Mail addresses. RFC 5321 sections 4.1.2 and 4.1.3, RFC 5322 section 3.4.1 where they agree.

`parse_address` is strict: it is for addresses that we give to people. `parse_path` also accepts what other providers
have given out: dots in any number and place, underscores and outer hyphens in domains, a dot after the domain. Every
address is written in the form that RFC 5321 requires (`"a..b"@docomo.example`), which every next hop understands.
"""

import re
from dataclasses import dataclass

MAX_LOCAL = 64  # RFC 5321 section 4.5.3.1.1
MAX_DOMAIN = 255  # RFC 5321 section 4.5.3.1.2
MAX_ADDRESS = 254  # a path of 256 octets without its angle brackets, RFC 5321 section 4.5.3.1.3

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED_STRING = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"')
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LOOSE_LOCAL = re.compile(rf"(?:{_ATEXT}|\.)+")
_LOOSE_LABEL = r"[A-Za-z0-9_-]{1,63}"
_LOOSE_DOMAIN = re.compile(rf"{_LOOSE_LABEL}(?:\.{_LOOSE_LABEL})*")
_LITERAL = re.compile(r"\[(?:[0-9.]{7,15}|IPv6:[0-9A-Fa-f:.]{2,45})\]", re.IGNORECASE)


class AddressError(ValueError):
    """The text is not an address that SMTP can carry."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: `local` unquoted, `domain` in lower case (or an address literal in brackets)."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{quoted_local(self.local)}@{self.domain}"

    @property
    def key(self) -> str:
        """Return the directory's form of the address, wholly in lower case."""
        return f"{quoted_local(self.local)}@{self.domain}".lower()

    def split_detail(self, separator: str) -> tuple["Address", str]:
        """Split `user+tag` into (`user`, `tag`), and `user+` into (`user`, "").

        Without a separator return the address itself.

        RFC 5233.
        """
        if not separator:
            return self, ""
        user, mark, detail = self.local.partition(separator)
        if not mark or not user:
            return self, ""
        return Address(user, self.domain), detail


def quoted_local(local: str) -> str:
    """Return a local part as it is written in an address, quoted only if necessary. RFC 5321 section 4.1.2."""
    if _DOT_STRING.fullmatch(local):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse_domain(text: str) -> str:
    """Return a domain name in lower case.

    Raises AddressError: not letters, digits, hyphens and dots, or too long.
    """
    if len(text) > MAX_DOMAIN or not _DOMAIN.fullmatch(text):
        raise AddressError("not a domain name")
    return text.lower()


def parse_path(text: str) -> Address:
    """Parse an address of an envelope, even one that RFC 5321 would not allow to be given out.

    The local part may be longer than 64 octets, as it is in bounce addresses and rewritten senders (section 4.5.3.1).
    The result's text has at most 254 octets and parses to the same address. Raises AddressError.
    """
    local, at, domain = text.rpartition("@")
    if not at or len(text) > MAX_ADDRESS + 1:
        raise AddressError("address too long or without @")
    address = Address(unquoted_local(local), _loose_domain(domain.removesuffix(".")))
    if len(text) > MAX_ADDRESS - 2 and len(str(address)) > MAX_ADDRESS:  # quoting may have made it longer
        raise AddressError("address too long")
    return address


def unquoted_local(text: str) -> str:
    """Return the local part of a text in an envelope, quoted or not. Raises AddressError."""
    if _LOOSE_LOCAL.fullmatch(text):
        return text
    if _QUOTED_STRING.fullmatch(text):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    raise AddressError("malformed local part")


def _loose_domain(text: str) -> str:
    if _LITERAL.fullmatch(text) or (len(text) <= MAX_DOMAIN and _LOOSE_DOMAIN.fullmatch(text)):
        return text.lower()
    raise AddressError("not a domain name")


def parse_address(text: str) -> Address:
    """Parse `local@domain` as RFC 5321's Mailbox: dot-string or quoted-string, domain or address literal, ASCII only.

    Raises AddressError with what is wrong, but never with the text itself.
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
