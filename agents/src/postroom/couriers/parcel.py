"""What a courier is given and what he brings back."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from postroom.wire.smtp.replies import Reply

Conversion: TypeAlias = Callable[[], Awaitable["Parcel | Reply | None"]]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message made ready for the way: lines end with CR LF only, no NUL; `chunks` can be read again.

    `seven_bit` gives the message for a server that takes no eight bits: None where it cannot be converted, a reply
    where that cannot be done now.
    """

    id: str
    size: int
    eight_bit: bool
    chunks: Callable[[], Iterable[bytes]]
    seven_bit: Conversion | None = None


class Result(NamedTuple):
    """What became of one recipient.

    `reply` is what counts, `host` is the server it is about (name[address]:port, "none" for none). `said` are the
    words that this server really said; without them the reply is our own. `inside` is only for the log of this host.
    """

    reply: Reply
    host: str = "none"
    said: Reply | None = None
    inside: str = ""

    @property
    def host_name(self) -> str:
        """The server's name without address and port; "" for none."""
        return self.host.rpartition("[")[0]


@dataclass(slots=True)
class Attempt:
    """One try. `results`: one per recipient, in their order.

    `reached` is false when no server of the destination would talk to us at all.
    """

    results: list[Result]
    tls: str = ""
    reached: bool = True
    connect_seconds: float = 0.0
    send_seconds: float = 0.0

    @property
    def replies(self) -> list[Reply]:
        """What counts for each recipient."""
        return [result.reply for result in self.results]

    @property
    def host(self) -> str:
        """The server that the first recipient's result is about."""
        return self.results[0].host


def heard(reply: Reply, host: str) -> Result:
    """What a server said of a recipient or of the message."""
    return Result(reply, host, reply)


def unwilling(reply: Reply, host: str, name: str) -> Result:
    """A greeting, a hello or a session refused: for now, unless the host says that it never takes mail (RFC 7504)."""
    if reply.code == 521:
        return Result(Reply(556, "5.3.2", f"{name} accepts no mail: {reply}"), host, reply)
    return Result(Reply(451, "4.3.2", f"{name} refused to talk to us: {reply}"), host, reply)


def lost(problem: str, host: str, name: str, *, sent: bool) -> Result:
    """Our words for a connection that broke. RFC 3463: 4.4.2."""
    when = "after the message was sent (it may arrive twice)" if sent else "while talking to it"
    return Result(Reply(451, "4.4.2", f"{name}: {problem}, {when}"), host)


def unreadable(error: Exception, host: str = "none") -> Result:
    """Our words for a message that our own disk does not give."""
    return Result(Reply(451, "4.3.0", "the message cannot be read now"), host, inside=str(error))


def fault(inside: str, host: str = "none") -> Result:
    """Our words for a fault of ours."""
    return Result(Reply(451, "4.3.5", "internal error of the relay"), host, inside=inside)
