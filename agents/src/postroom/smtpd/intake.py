"""What mta and msa do alike with a message that has come in: its header, its id, its log line."""

import os
from typing import Final

from postroom.contracts.errors import MailLoop, MessageMalformed
from postroom.contracts.queue import Draft
from postroom.mail.headers import MAX_OCTETS, HeaderBlock, HeaderError, read_headers
from postroom.mail.headertext import cleaned
from postroom.mail.ids import queue_id
from postroom.policy import trace
from postroom.runtime.log import Log
from postroom.smtpd.reception import Client
from postroom.smtpd.transaction import Transaction
from postroom.wire.smtp.replies import Reply

FIRST_READ: Final = 65536


def new_id(now: float) -> str:
    """A queue id."""
    return queue_id(int(now * 1000), os.urandom(10))


def header_of(draft: Draft, max_hops: int) -> HeaderBlock:
    """The draft's header block. Raises MessageMalformed (too large), MailLoop."""
    head = draft.head(FIRST_READ)
    if len(head) >= FIRST_READ and not head.endswith(b"\r\n\r\n"):
        head = draft.head(MAX_OCTETS + 4)
    try:
        block = read_headers(head)
    except HeaderError as error:
        raise MessageMalformed("Message header too large") from error
    if trace.hops(block) >= max_hops:
        raise MailLoop
    return block


def message_id_of(block: HeaderBlock) -> str:
    """The Message-ID, fit for a log line."""
    field = block.first(b"message-id")
    return cleaned(field.value.decode("latin-1"), limit=250) if field else ""


def arrival(host: str, queue_id: str, client: Client, transaction: Transaction) -> trace.Arrival:
    """What the Received field is made of."""
    accepted = transaction.accepted
    return trace.Arrival(
        host=host,
        queue_id=queue_id,
        client=client.address,
        helo=client.helo,
        extended=client.extended,
        tls_version=client.tls_version,
        cipher=client.cipher,
        only_recipient=_given(transaction, host) if len(accepted) == 1 else "",
    )


def _given(transaction: Transaction, host: str) -> str:
    address = transaction.accepted[0].given.address
    return str(address) if address.domain else f"{address.local}@{host}"


def log_accepted(
    log: Log,
    client: Client,
    transaction: Transaction,
    queue_id: str,
    message_id: str,
    size: int,
    more: str = "",
) -> None:
    """The one line of an accepted message."""
    if not log.enabled("info"):
        return
    words = [f"{queue_id}: client={client.address} message-id={message_id} from=<{transaction.sender}>"]
    words.append(f"size={size} nrcpt={len(transaction.recipients)}")
    if client.login:
        words.append(f"account={client.login.address}")
    if client.user:
        words.append(f"user={client.user}")
    if client.tls_version:
        words.append(f"tls={client.tls_version}/{client.cipher}")
    if more:
        words.append(more)
    fields = {"QUEUE_ID": queue_id, "MESSAGE_ID": message_id, "CLIENT": client.address}
    if client.login:
        fields["ACCOUNT"] = client.login.account
    log.info(" ".join(words), **fields)


def queued(queue_id: str) -> Reply:
    """250: it is on disk."""
    return Reply(250, "2.0.0", f"Ok: queued as {queue_id}")
