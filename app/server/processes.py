"""Which process a number stands for: numbers are given out again, after a restart and in another container."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path


def identity(pid: int) -> str:
    """Another text for every process that ever has this number; "" when none runs, or none that we may tell apart.

    On Linux the boot, the container and the tick at which it began; elsewhere the second at which it began.
    """
    try:
        if sys.platform != "linux":
            told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
            return told.stdout.strip()
        state, *words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # a name may hold anything
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return "" if state in "ZX" else f"{boot} {os.readlink(f'/proc/{pid}/ns/pid')} {words[18]}"
    except OSError:
        return ""


def interrupt(pid: int, process: str) -> None:
    """Ctrl-C for the process of this number and identity; nothing when it is gone and another has its number."""
    _signal(pid, process, signal.SIGINT)


def kill(pid: int, process: str) -> None:
    """As `interrupt`, at once."""
    _signal(pid, process, getattr(signal, "SIGKILL", signal.SIGTERM))


def _signal(pid: int, process: str, number: int) -> None:
    with contextlib.suppress(OSError):
        held = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None  # stays this process, whatever ends meanwhile
        try:
            if not process or identity(pid) != process:
                return
            if held is None:
                os.kill(pid, number)
            else:
                signal.pidfd_send_signal(held, number)
        finally:
            if held is not None:
                os.close(held)
