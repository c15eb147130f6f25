"""What a courier receives and what it returns."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from postroom.wire.smtp.replies import Reply

Conversion: TypeAlias = Callable[[], Awaitable["Parcel | Reply | None"]]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message ready for transport: lines end with CR LF only, there is no NUL, and `chunks` can be read again.

    `seven_bit` returns the message for a server without 8BITMIME: None if it cannot be converted, a reply if it cannot
    be converted now.
    """

    id: str
    size: int
    eight_bit: bool
    chunks: Callable[[], Iterable[bytes]]
    seven_bit: Conversion | None = None


class Result(NamedTuple):
    """The result for one recipient.

    `reply` decides, `host` is the server it refers to (name[address]:port, or "none"). `said` is that server's own
    reply; without it the reply is ours. `inside` is only for this host's log.
    """

    reply: Reply
    host: str = "none"
    said: Reply | None = None
    inside: str = ""

    @property
    def host_name(self) -> str:
        """Return the server's name without address and port; "" for none."""
        return self.host.rpartition("[")[0]


@dataclass(slots=True)
class Attempt:
    """One delivery attempt. `results` has one entry per recipient, in their order.

    `reached` is false if no server of the destination accepted a session.
    """

    results: list[Result]
    tls: str = ""
    reached: bool = True
    connect_seconds: float = 0.0
    send_seconds: float = 0.0

    @property
    def replies(self) -> list[Reply]:
        """Return the deciding reply for each recipient."""
        return [result.reply for result in self.results]

    @property
    def host(self) -> str:
        """Return the server of the first recipient's result."""
        return self.results[0].host


def heard(reply: Reply, host: str) -> Result:
    """Return a server's reply to a recipient or to the message as a result."""
    return Result(reply, host, reply)


def unwilling(reply: Reply, host: str, name: str) -> Result:
    """Return the result of a refused session: temporary, unless the host says that it never accepts mail (RFC 7504)."""
    if reply.code == 521:
        return Result(Reply(556, "5.3.2", f"{name} accepts no mail: {reply}"), host, reply)
    return Result(Reply(451, "4.3.2", f"{name} refused to talk to us: {reply}"), host, reply)


def lost(problem: str, host: str, name: str, *, sent: bool) -> Result:
    """Return our own result for a connection that broke. RFC 3463: 4.4.2."""
    when = "after the message was sent (it may arrive twice)" if sent else "while talking to it"
    return Result(Reply(451, "4.4.2", f"{name}: {problem}, {when}"), host)


def unreadable(error: Exception, host: str = "none") -> Result:
    """Return our own result for a message that cannot be read from our disk."""
    return Result(Reply(451, "4.3.0", "the message cannot be read now"), host, inside=str(error))


def fault(inside: str, host: str = "none") -> Result:
    """Return our own result for an internal error."""
    return Result(Reply(451, "4.3.5", "internal error of the relay"), host, inside=inside)
