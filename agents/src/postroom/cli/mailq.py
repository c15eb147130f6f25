"""`mailq`: run the operator's command if the caller may read the queue."""

import os
import sys
from typing import NoReturn, TextIO

EX_NOPERM = 77
SPOOLS = "/var/lib/postroom/spool"


def show(problems: TextIO) -> NoReturn:
    """Become `postroom queue list`, or exit with an error: only the operator may read the spools."""
    if not os.access(SPOOLS, os.R_OK | os.X_OK):
        problems.write("mailq: only the operator may read the queue: postroom queue list\n")
        sys.exit(EX_NOPERM)
    command = os.path.join(os.path.dirname(sys.executable), "postroom")
    os.execv(command, [command, "queue", "list"])  # noqa: S606  # no shell, no argument from outside
