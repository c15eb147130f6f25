"""Drives `policy.route` with a directory."""

from postroom.contracts.directory import Directory
from postroom.contracts.errors import MailError
from postroom.mail.address import Address
from postroom.policy.route import Ask, Destination, route


async def resolve(
    directory: Directory, recipient: Address, host_name: str, may_relay: bool = False
) -> tuple[Destination, ...]:
    """The destinations of a recipient.

    Raises what `route` returns as a refusal (NotOurDomain, NoSuchRecipient, RecipientDisabled, Unavailable), and
    Unavailable when the directory cannot be read.
    """
    steps = route(recipient, host_name, may_relay)
    try:
        need = next(steps)
        while True:
            if need.what is Ask.DOMAIN:
                need = steps.send(await directory.domain(need.key))
            else:
                need = steps.send(await directory.entry(need.key))
    except StopIteration as end:
        outcome: tuple[Destination, ...] | MailError = end.value
    if isinstance(outcome, MailError):
        raise outcome
    return outcome
