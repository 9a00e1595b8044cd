"""Every container's entry: put Milvus' password where the settings are read, then become the command.

    python -m deploy.entry COMMAND…

Without MILVUS_PASSWORD_FILE the environment stays as it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy import password


def environment(before: Mapping[str, str]) -> dict[str, str]:
    """`before`, with root's token added when a password file is named."""
    file = before.get(password.VARIABLE, "")
    return {**before, "SEMBLANCE_MILVUS_TOKEN": f"root:{password.kept(Path(file))}"} if file else dict(before)


def main() -> None:
    command = sys.argv[1:]
    if not command:
        sys.exit("name the command to run: python -m deploy.entry COMMAND…")
    given = environment(os.environ)
    try:
        os.execvpe(command[0], command, given)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
