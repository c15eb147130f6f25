"""What mta and msa do alike with a message that has come in: its header, its id, its log line."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from postroom.contracts.errors import MailLoop, MessageMalformed
from postroom.contracts.queue import Draft, QueuedMessage
from postroom.mail.headers import MAX_OCTETS, Field, HeaderBlock, HeaderError, read_headers
from postroom.mail.headertext import cleaned
from postroom.mail.ids import queue_id
from postroom.policy import trace
from postroom.runtime.log import Log
from postroom.smtpd.reception import Client
from postroom.smtpd.transaction import Accepted, Transaction
from postroom.wire.smtp.replies import Reply

FIRST_READ: Final = 65536
NOISE_OCTETS: Final = 10 * 256


class _Noise:
    """The kernel's random octets, fetched for many ids at once."""

    def __init__(self) -> None:
        self._octets = b""
        self._at = 0

    def take(self) -> bytes:
        """Ten octets that nobody else gets."""
        if self._at >= len(self._octets):
            self._octets, self._at = os.urandom(NOISE_OCTETS), 0
        self._at += 10
        return self._octets[self._at - 10 : self._at]

    def forget(self) -> None:
        """A forked process must not hand out its parent's octets."""
        self._octets, self._at = b"", 0


_NOISE = _Noise()
os.register_at_fork(after_in_child=_NOISE.forget)


def new_id(now: float) -> str:
    """A queue id."""
    return queue_id(int(now * 1000), _NOISE.take())


def header_of(draft: Draft, max_hops: int) -> HeaderBlock:
    """The draft's header block. Raises MessageMalformed (too large, or a line that is no field), MailLoop."""
    head = draft.head(FIRST_READ)
    if len(head) >= FIRST_READ and not head.endswith(b"\r\n\r\n"):
        head = draft.head(MAX_OCTETS + 4)
    try:
        block = read_headers(head)
    except HeaderError as error:
        raise MessageMalformed("Message header too large") from error
    if flaw := block.flaw():
        raise MessageMalformed(flaw)
    if trace.hops(block) >= max_hops:
        raise MailLoop
    return block


def dropping(doomed: Callable[[Field], bool]) -> Callable[[Field], bool]:
    """Which fields go from a sound header: `doomed`, and the separator lines of a mailbox file, which have no name."""
    return lambda one: not one.key or doomed(one)


def message_id_of(block: HeaderBlock) -> str:
    """The Message-ID, fit for a log line."""
    field = block.first(b"message-id")
    return cleaned(field.value.decode("latin-1").replace("\t", " "), limit=250) if field else ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message on its way into the spool. `now`: seconds since 1970."""

    client: Client
    transaction: Transaction
    block: HeaderBlock
    draft: Draft
    queue_id: str
    now: float

    def arrival(self, host: str) -> trace.Arrival:
        """What the Received field is made of."""
        client, accepted = self.client, self.transaction.accepted
        return trace.Arrival(
            host=host,
            queue_id=self.queue_id,
            client=client.address,
            helo=client.helo,
            extended=client.extended,
            tls_version=client.tls_version,
            cipher=client.cipher,
            only_recipient=_given(accepted[0], host) if len(accepted) == 1 else "",
        )

    def size(self, head: bytes) -> int:
        """Octets of the message with this header block."""
        return len(head) + self.draft.size - self.block.body_offset


def _given(accepted: Accepted, host: str) -> str:
    address = accepted.given.address
    return str(address) if address.domain else f"{address.local}@{host}"


def log_accepted(log: Log, incoming: Incoming, message: QueuedMessage, more: str = "") -> None:
    """The one line of an accepted message."""
    if not log.enabled("info"):
        return
    client = incoming.client
    words = [f"{message.id}: client={client.address} message-id={message.message_id} from=<{message.sender}>"]
    words.append(f"size={message.size} nrcpt={len(message.recipients)}")
    if client.login:
        words.append(f"account={client.login.address}")
    if client.user:
        words.append(f"user={client.user}")
    if client.tls_version:
        words.append(f"tls={client.tls_version}/{client.cipher}")
    if more:
        words.append(more)
    fields = {"QUEUE_ID": message.id, "MESSAGE_ID": message.message_id, "CLIENT": client.address}
    if client.login:
        fields["ACCOUNT"] = client.login.account
    log.info(" ".join(words), **fields)


def queued(queue_id: str) -> Reply:
    """250: it is on disk."""
    return Reply(250, "2.0.0", f"Ok: queued as {queue_id}")
