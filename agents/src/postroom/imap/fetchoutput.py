"""The octets of FETCH responses on their way to the client, and how far a response can still be taken back."""

from typing import Final

from postroom.imap.session import ImapSession

BATCH: Final = 65_536  # octets after which what was gathered is written


class FetchOutput:
    """Gather octets, write them in batches, and know whether part of an unfinished response has been written."""

    __slots__ = ("_session", "begun", "octets")

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        self.octets = bytearray()
        self.begun = False  # the client has the beginning of a response whose end is not made yet

    async def write(self) -> None:
        """Write what was gathered, and let other sessions run."""
        if self.octets:
            self._session.write(bytes(self.octets))
            self.octets = bytearray()
        await self._session.flush()

    async def write_begun(self) -> None:
        """Write the beginning of a response; from here on it cannot be taken back."""
        self.begun = True
        await self.write()

    async def pass_on(self, octets: bytes) -> None:
        """Write octets of a literal that has begun, without gathering them."""
        self._session.write(octets)
        await self._session.connection.drain()

    def take_back(self, start: int, error: Exception | None) -> None:
        """Drop what was gathered of a response, from this length of `octets`.

        Raises ConnectionAbortedError when the client has its beginning: nothing else can end a literal.
        """
        if self.begun:
            raise ConnectionAbortedError("message cannot be read to its end") from error
        del self.octets[start:]
