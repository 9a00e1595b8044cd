"""The password of Milvus' root: made once, kept in one file that only the app's own user reads."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.settings import password_in


def made(file: Path) -> str:
    """The password in `file`, made if there is none. Two processes at once end with the same one."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
                out.write(secrets.token_urlsafe(32) + "\n")
                out.flush()
                os.fsync(out.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, file)  # never over a password that is there: Milvus may have it already
        except OSError as error:
            sys.exit(f"no password can be kept in {file}: {error}")
        finally:
            draft.unlink(missing_ok=True)
    try:
        return password_in(file)
    except UsageError as error:
        sys.exit(str(error))
