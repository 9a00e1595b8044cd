"""What happened, one JSON object a line: when, how grave, what, in which request, how long each stage took.

Nothing is written until `write_to` names a place. Other libraries' loggers are left alone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import secrets
import sys
import time
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

PLACES = ("file", "stderr", "none")
FILE_BYTES, OLD_FILES = 10 * 2**20, 5  # app.jsonl, app.jsonl.1 … app.jsonl.5

_log = logging.getLogger("semblance")
_log.addHandler(logging.NullHandler())
_log.propagate = False
_request: ContextVar[str] = ContextVar("request", default="")


def event(what: str, **facts: Any) -> None:
    _log.info(what, extra={"facts": facts})


def trouble(what: str, **facts: Any) -> None:
    """Something that an operator should look at; the request itself may have gone on."""
    _log.warning(what, extra={"facts": facts})


@contextlib.contextmanager
def request(number: str = "") -> Iterator[str]:
    """Every line written inside carries the same eight hex digits, or `number`; inside another request, that one's."""
    if known := _request.get():
        yield known
        return
    token = _request.set(number or secrets.token_hex(4))
    try:
        yield _request.get()
    finally:
        _request.reset(token)


def write_to(place: str, folder: Path) -> None:
    """From now on this process writes its log. place: `file` = app.jsonl in `folder`, `stderr`, or `none`.

    A folder that cannot be written costs the log, not the app: one line on stderr says so.
    """
    if place not in PLACES:
        print(f"SEMBLANCE_LOG is {place!r}; choose {', '.join(PLACES)}; taking file", file=sys.stderr)
        place = "file"
    handler: logging.Handler = logging.NullHandler()
    if place == "stderr":
        handler = logging.StreamHandler(sys.stderr)
    elif place == "file":
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "app.jsonl"
            handler = logging.handlers.RotatingFileHandler(file, "a", FILE_BYTES, OLD_FILES, encoding="utf-8")
        except OSError as error:
            print(f"no log is kept: {folder} cannot be written ({error.strerror})", file=sys.stderr)
    handler.setFormatter(_Lines())
    for old in list(_log.handlers):
        _log.removeHandler(old)
        old.close()
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        line: dict[str, Any] = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        if number := _request.get():
            line["request"] = number
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
