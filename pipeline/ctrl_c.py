"""Ctrl-C as a wish: what is at work ends where nothing is lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ECHO = 1.0  # seconds; torchrun passes on what the terminal has told its processes already


@contextmanager
def noted() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C only makes the yielded function answer True; a later one interrupts at once.

    Python raises KeyboardInterrupt wherever the main thread is, even inside the locks of its own queues; threads that
    share such a lock then wait for ever. In any other thread, which no Ctrl-C reaches, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.getsignal(signal.SIGINT)
    interrupts: list[float] = []

    def note(number: int, frame: Any) -> None:
        if interrupts and time.monotonic() - interrupts[0] > ECHO:
            raise KeyboardInterrupt
        interrupts.append(time.monotonic())

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(interrupts)
    finally:
        signal.signal(signal.SIGINT, before)
