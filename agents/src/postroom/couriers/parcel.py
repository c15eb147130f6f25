"""What a courier is given and what he brings back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from postroom.wire.smtp.replies import Reply


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message made ready for the way: lines end with CR LF only, no NUL; `chunks` can be read again."""

    id: str
    size: int
    eight_bit: bool
    chunks: Callable[[], Iterable[bytes]]


@dataclass(slots=True)
class Attempt:
    """One try. `replies`: one per recipient, in their order; ours where the server gave none.

    `reached` is false when no server of the destination would talk to us at all.
    """

    replies: list[Reply]
    host: str = "none"
    tls: str = ""
    reached: bool = True
    seven_bit_only: bool = False  # not offered to the server, which takes no eight bits
    connect_seconds: float = 0.0
    send_seconds: float = 0.0


def lost(host: str, problem: str, sent: bool) -> Reply:
    """Our words for a connection that broke. RFC 3463: 4.4.2."""
    when = "after the message was sent (it may arrive twice)" if sent else "while talking to it"
    return Reply(451, "4.4.2", f"{host}: {problem}, {when}")
