"""kill -9 of an agent with all of its workers."""

import os
import signal
import subprocess
from pathlib import Path


def kill_with_workers(agent: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    """Kill the process and its workers at once: none of them may notice that its parent has ended, and end in order."""
    agent.send_signal(signal.SIGSTOP)
    workers = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    for pid in (*map(int, workers), agent.pid):
        os.kill(pid, signal.SIGKILL)
