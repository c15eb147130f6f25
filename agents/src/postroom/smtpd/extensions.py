"""The SMTP extensions of the server, a row each. RFC 5321 section 2.2.

The reply to EHLO, the parameters that MAIL and RCPT accept, and the grammar of their values are all derived from these
rows. A new extension is a row here, and the parsers of its parameters in `wire.smtp.parameters`.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from postroom.smtpd.reception import Limits, Manner
from postroom.wire import sasl
from postroom.wire.smtp import parameters
from postroom.wire.smtp.commands import NO_PARAMETERS, Grammar


def _always(manner: Manner, secured: bool) -> bool:
    return True


class Extension(NamedTuple):
    """One row. `word` makes the line of the EHLO reply, `offered` says when it is there."""

    word: Callable[[Limits], str]
    mail: Grammar = NO_PARAMETERS
    rcpt: Grammar = NO_PARAMETERS
    offered: Callable[[Manner, bool], bool] = _always  # how the listener behaves, and whether TLS is active


EXTENSIONS: Final = (
    Extension(lambda limits: f"SIZE {limits.message_octets}", mail={"SIZE": parameters.size}),  # RFC 1870
    Extension(lambda _: "8BITMIME", mail={"BODY": parameters.body}),  # RFC 6152
    Extension(lambda _: "PIPELINING"),  # RFC 2920
    Extension(lambda _: "ENHANCEDSTATUSCODES"),  # RFC 2034
    Extension(  # RFC 3207
        lambda _: "STARTTLS", offered=lambda manner, secured: manner.starttls and not secured
    ),
    Extension(  # RFC 4954
        lambda _: " ".join(("AUTH", *sasl.MECHANISMS)),
        mail={"AUTH": parameters.unused},
        offered=lambda manner, secured: manner.login and secured,
    ),
)


class Offer(NamedTuple):
    """The extensions of one listener for clients in clear, or for clients under TLS."""

    words: tuple[str, ...]
    mail: Grammar
    rcpt: Grammar


NO_EXTENSIONS: Final = Offer((), NO_PARAMETERS, NO_PARAMETERS)  # for a client that said HELO


def offer(manner: Manner, limits: Limits, *, secured: bool) -> Offer:
    """Return what a listener offers."""
    rows = [row for row in EXTENSIONS if row.offered(manner, secured)]
    return Offer(
        tuple(row.word(limits) for row in rows),
        dict(item for row in rows for item in row.mail.items()),
        dict(item for row in rows for item in row.rcpt.items()),
    )
