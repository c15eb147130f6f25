"""A start that fails again and again is tried more and more seldom, so that a lasting fault does not flood the journal.

systemd of Debian 12 knows one pause for all restarts, and a short one is right after a crash. So the agent itself waits
after a failed start. How often it has failed stands in a file without a name that systemd keeps from start to start
and forgets when the service is stopped. sd_notify(3), FDSTORE
"""

import contextlib
import os
import signal
import time

from postroom.runtime import notify as manager

NAME = "fault"
LONGEST = 60.0  # seconds; TimeoutStartSec of the units is longer


def pause(failures: int) -> float:
    """Seconds to wait after so many failed starts in a row. None after the first, since somebody may be waiting."""
    return min(2.0 ** min(failures - 1, 30), LONGEST) if failures > 1 else 0.0


class Faults:
    """How often this service has failed to start since it last went well."""

    def __init__(self) -> None:
        self._file = manager.stored(NAME)

    def failed(self) -> None:
        """Count a failed start, and wait before the process ends. Only a manager that would start it again is told."""
        if not manager.is_listening():
            return
        with contextlib.suppress(OSError):  # then it is tried again as soon as after a crash
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
        """The start went well: the next fault is a first one again."""
        if self._file is not None:
            os.ftruncate(self._file, 0)

    def _failures(self) -> int:
        assert self._file is not None
        with contextlib.suppress(ValueError):
            return int(os.pread(self._file, 10, 0) or 0)
        return 0
