"""The DKIM keys of our domains. Only the relay reads them."""

from pathlib import Path

from postroom.contracts.directory import Directory
from postroom.contracts.errors import Unavailable
from postroom.policy.dkim import DkimKeyError, SigningKey, load_key


class DkimKeys:
    """`directory/DOMAIN/SELECTOR.pem`, for the selectors that the directory names. Read once, until `reload`."""

    def __init__(self, folder: str, directory: Directory) -> None:
        self._folder = Path(folder)
        self._directory = directory
        self._known: dict[tuple[str, str], SigningKey] = {}

    async def of(self, domain: str) -> list[SigningKey]:
        """Return the keys that sign for a domain; none when it is not ours, or neither it nor a parent has selectors.

        A host's name has no selectors: mail of its programs and our reports are signed for the company's domain, which
        is aligned with it (RFC 9989 section 4.4). Raises Unavailable: a key is missing or unusable, and the mail
        waits instead of leaving unsigned.
        """
        known = await self._directory.domain(domain)
        while known is not None and not known.selectors:
            known = await self._directory.domain(known.name.partition(".")[2])
        return [self._key(known.name, selector) for selector in known.selectors] if known is not None else []

    def _key(self, domain: str, selector: str) -> SigningKey:
        key = self._known.get((domain, selector))
        if key is None:
            path = self._folder / domain / f"{selector}.pem"
            try:
                key = load_key(domain, selector, path.read_bytes())
            except OSError as error:
                raise Unavailable(f"DKIM key {path}: {error.strerror}") from error
            except DkimKeyError as error:
                raise Unavailable(f"DKIM key {path}: {error}") from error
            self._known[domain, selector] = key
        return key

    def reload(self) -> None:
        """Read keys again when they are next needed."""
        self._known.clear()
