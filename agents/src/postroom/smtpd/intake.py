"""Steps that mta and msa share when a message has arrived: check its header, give it an id, log it."""

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
POOL_OCTETS: Final = 10 * 256


class _RandomPool:
    """A pool of the kernel's random octets, so that one system call serves many ids."""

    def __init__(self) -> None:
        self._octets = b""
        self._at = 0

    def take(self) -> bytes:
        """Return ten octets that no other caller gets."""
        if self._at >= len(self._octets):
            self._octets, self._at = os.urandom(POOL_OCTETS), 0
        self._at += 10
        return self._octets[self._at - 10 : self._at]

    def forget(self) -> None:
        """Drop the pool, because a forked process must not use its parent's octets."""
        self._octets, self._at = b"", 0


_RANDOM = _RandomPool()
os.register_at_fork(after_in_child=_RANDOM.forget)


def new_id(now: float) -> str:
    """Return a new queue id."""
    return queue_id(int(now * 1000), _RANDOM.take())


def header_of(draft: Draft, max_hops: int) -> HeaderBlock:
    """Parse the draft's header block. Raises MessageMalformed (too large, or a line that is no field), MailLoop."""
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
    """Return a predicate for the fields to remove: those that `doomed` names, and nameless mailbox separator lines."""
    return lambda one: not one.key or doomed(one)


def message_id_of(block: HeaderBlock) -> str:
    """Return the Message-ID in a form that is safe in a log line."""
    field = block.first(b"message-id")
    return cleaned(field.value.decode("latin-1").replace("\t", " "), limit=250) if field else ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message on its way into the spool. `now` is in seconds since 1970."""

    client: Client
    transaction: Transaction
    block: HeaderBlock
    draft: Draft
    queue_id: str
    now: float

    def arrival(self, host: str) -> trace.Arrival:
        """Return the facts for the Received field."""
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
        """Return the octets of the message with this header block."""
        return len(head) + self.draft.size - self.block.body_offset


def _given(accepted: Accepted, host: str) -> str:
    address = accepted.given.address
    return str(address) if address.domain else f"{address.local}@{host}"


def log_accepted(log: Log, incoming: Incoming, message: QueuedMessage, more: str = "") -> None:
    """Log an accepted message in one line."""
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
    """Return the 250 reply for a message that is on disk."""
    return Reply(250, "2.0.0", f"Ok: queued as {queue_id}")
