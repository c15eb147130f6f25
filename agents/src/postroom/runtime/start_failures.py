"""Growing pauses after failed starts, so that a lasting fault does not flood the journal.

systemd of Debian 12 has one pause for all restarts, and after a crash a short one is right. So the agent itself waits
after a failed start. It keeps the number of failures in an anonymous file that systemd holds from start to start and
drops when the service is stopped. sd_notify(3), FDSTORE
"""

import contextlib
import os
import signal
import time

from postroom.runtime import notify as manager

NAME = "fault"
LONGEST = 60.0  # seconds; TimeoutStartSec of the units is longer


def pause(failures: int) -> float:
    """Return the seconds to wait after this many failed starts in a row. The first failure needs no pause."""
    return min(2.0 ** min(failures - 1, 30), LONGEST) if failures > 1 else 0.0


class StartFailures:
    """The number of failed starts since the last successful one."""

    def __init__(self) -> None:
        self._file = manager.stored(NAME)

    def failed(self) -> None:
        """Count a failed start and wait before the process ends.

        Without a manager that would restart it, do nothing.
        """
        if not manager.is_listening():
            return
        with contextlib.suppress(OSError):  # without the count, the next start comes as soon as after a crash
            failures = self._count()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # there is nothing to finish
            time.sleep(pause(failures))

    def _count(self) -> int:
        if self._file is None:
            self._file = os.memfd_create(NAME, os.MFD_CLOEXEC)
            manager.store(NAME, self._file)
        failures = self._failures() + 1
        os.pwrite(self._file, b"%-10d" % failures, 0)
        return failures

    def overcome(self) -> None:
        """Reset the count after a successful start."""
        if self._file is not None:
            os.ftruncate(self._file, 0)

    def _failures(self) -> int:
        assert self._file is not None
        with contextlib.suppress(ValueError):
            return int(os.pread(self._file, 10, 0) or 0)
        return 0
