"""Lines out of octets, with a cap, for the line protocols whose commands carry nothing but lines."""


class LineTooLong(ValueError):
    """More octets than a line may have came without an end of line."""


class LineBuffer:
    """Octets in as they come, whole lines out. Holds at most one read beyond the longest line."""

    def __init__(self, terminator: bytes, maximum: int) -> None:
        """Start empty. `maximum` counts the octets of a line without its terminator."""
        self._terminator = terminator
        self._maximum = maximum
        self._unread = bytearray()
        self._start = 0  # where the next line begins: consumed octets are cut off once per feed, not per line

    def feed(self, octets: bytes) -> None:
        """Add what has been read."""
        if self._start:
            del self._unread[: self._start]
            self._start = 0
        self._unread += octets

    def next_line(self) -> bytes | None:
        """Return the next line without its terminator, or None until more is fed. Raises LineTooLong."""
        end = self._unread.find(self._terminator, self._start)
        length = (len(self._unread) if end < 0 else end) - self._start
        if length > self._maximum + (len(self._terminator) - 1 if end < 0 else 0):
            raise LineTooLong(f"line over {self._maximum} octets")
        if end < 0:
            return None
        line = bytes(self._unread[self._start : end])
        self._start = end + len(self._terminator)
        return line

    @property
    def pending(self) -> int:
        """Octets fed and not yet taken as lines."""
        return len(self._unread) - self._start

    def clear(self) -> None:
        """Forget what is unread: nothing received before TLS may count after it."""
        self._unread.clear()
        self._start = 0
