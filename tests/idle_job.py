"""`python -m tests.idle_job SECONDS MEGABYTES`: a job that holds so much for so long and does nothing."""

from __future__ import annotations

import signal
import sys
import time

if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    held = bytearray(int(sys.argv[2]) << 20)
    print("idle", flush=True)
    time.sleep(float(sys.argv[1]))
