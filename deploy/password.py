"""The password of Milvus' root: made once, kept in one file that only the app's own user reads."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from pathlib import Path

VARIABLE = "MILVUS_PASSWORD_FILE"
_LEAST = 16  # characters; fewer means a cut or a foreign file. Milvus takes 6 to 72


def kept(file: Path) -> str:
    """The password in `file`. SystemExit with a sentence when it is not there or not one."""
    try:
        password = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        sys.exit(f"there is no password in {file} yet; the service first-start makes it: docker compose up first-start")
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"the password in {file} cannot be read: {error}")
    if len(password) < _LEAST or not password.isprintable() or ":" in password:
        sys.exit(f"{file} holds no password of {_LEAST} characters and more without a colon; was it cut short?")
    return password


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
    return kept(file)
