"""The SMTP extensions of the server, one row each. RFC 5321 section 2.2.

The reply to EHLO, the parameters that MAIL and RCPT accept, and the grammar of their values are derived from these
rows. To add an extension, add a row here and the parsers of its parameters to `wire.smtp.parameters`.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from postroom.smtpd.reception import ListenerSettings, SessionLimits
from postroom.wire import sasl
from postroom.wire.smtp import parameters
from postroom.wire.smtp.commands import NO_PARAMETERS, Grammar


def _always(listener: ListenerSettings, secured: bool) -> bool:
    return True


class Extension(NamedTuple):
    """One extension. `word` returns its line of the EHLO reply; `offered` takes the listener and whether TLS is on."""

    word: Callable[[SessionLimits], str]
    mail: Grammar = NO_PARAMETERS
    rcpt: Grammar = NO_PARAMETERS
    offered: Callable[[ListenerSettings, bool], bool] = _always


EXTENSIONS: Final = (
    Extension(lambda limits: f"SIZE {limits.message_octets}", mail={"SIZE": parameters.size}),  # RFC 1870
    Extension(lambda _: "8BITMIME", mail={"BODY": parameters.body}),  # RFC 6152
    Extension(lambda _: "PIPELINING"),  # RFC 2920
    Extension(lambda _: "ENHANCEDSTATUSCODES"),  # RFC 2034
    # RFC 3207.
    Extension(lambda _: "STARTTLS", offered=lambda listener, secured: listener.starttls and not secured),
    Extension(  # RFC 4954
        lambda _: " ".join(("AUTH", *sasl.MECHANISMS)),
        mail={"AUTH": parameters.unused},
        offered=lambda listener, secured: listener.login and secured,
    ),
)


class Offer(NamedTuple):
    """The extensions that a listener offers, either before TLS or under TLS."""

    words: tuple[str, ...]
    mail: Grammar
    rcpt: Grammar


NO_EXTENSIONS: Final = Offer((), NO_PARAMETERS, NO_PARAMETERS)  # for a client that said HELO


def offer(listener: ListenerSettings, limits: SessionLimits, *, secured: bool) -> Offer:
    """Return what a listener offers."""
    rows = [row for row in EXTENSIONS if row.offered(listener, secured)]
    return Offer(
        tuple(row.word(limits) for row in rows),
        dict(item for row in rows for item in row.mail.items()),
        dict(item for row in rows for item in row.rcpt.items()),
    )
