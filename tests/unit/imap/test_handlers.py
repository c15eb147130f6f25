"""Each command of the grammar has one handler."""

from postroom.imap.handlers import FAMILIES, HANDLERS
from postroom.wire.imap import parser  # noqa: F401 (it knows all commands)
from postroom.wire.imap.commands import Command


def test_every_command_has_one_handler() -> None:
    assert set(HANDLERS) == set(Command.__subclasses__())
    assert sum(len(family.HANDLERS) for family in FAMILIES) == len(HANDLERS)
