"""What the first start needs, safe to run again: Milvus' password changed, the demo gallery filled.

    python -m deploy.first_start

It reads SEMBLANCE_MILVUS_URI, SEMBLANCE_MILVUS_PASSWORD_FILE (made if it is not there) and:
MILVUS_WAIT        seconds to wait for Milvus (300)
DEMO               `no` leaves the demo gallery out
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import SemblanceError, UsageError
from pipeline.settings import Settings, password_in

FILL = ("-m", "pipeline", "demo", "--no-app")


def secure(uri: str, file: Path, wait: float) -> None:
    """Milvus at `uri` takes the password in `file` and no other; SystemExit with a sentence if that cannot be had."""
    from pipeline.stores import _password

    ours = password_made(file)
    try:
        changed = _password.secure(uri, ours, wait=wait, tell=say)
    except SemblanceError as error:
        sys.exit(str(error))
    say(f"Milvus' root password was changed to the one in {file}" if changed else "Milvus has its password already")


def password_made(file: Path) -> str:
    """The password of Milvus' root in `file`, which only the app's own user reads; made if there is none. Two processes at once end with the same one."""
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


def fill(command: Sequence[str] = FILL) -> int:
    """Fill the demo gallery; the exit code of that."""
    say("filling the demo gallery; a second start finds it filled")
    return subprocess.run([sys.executable, *command], check=False).returncode


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def main() -> None:
    file = Settings().milvus_password_file
    if not file or not Settings().milvus_uri:
        sys.exit("set SEMBLANCE_MILVUS_PASSWORD_FILE and SEMBLANCE_MILVUS_URI; docker-compose.yml does")
    try:
        wait = float(os.environ.get("MILVUS_WAIT") or 300)
    except ValueError:
        sys.exit(f"MILVUS_WAIT is a number of seconds, not {os.environ['MILVUS_WAIT']!r}")
    secure(Settings().milvus_uri, Path(file), wait)
    sys.exit(0 if os.environ.get("DEMO") == "no" else fill())


if __name__ == "__main__":
    main()
