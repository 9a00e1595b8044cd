"""What a process listens on, read from the system: TCP addresses and the paths of Unix sockets."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

LISTEN = "0A"


def tcp(pid: int | str = "self") -> set[int]:
    """The ports, of either version and on any address."""
    ours, ports = _inodes(pid), set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTEN and words[9] in ours:
                ports.add(int(words[1].rpartition(":")[2], 16))
    return ports


def unix(pid: int | str = "self") -> set[str]:
    """Paths; a socket without a path that others could reach is named @."""
    ours = _inodes(pid)
    lines = (line.split() for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:])
    accepting = "00010000"
    return {words[7] for words in lines if words[6] in ours and words[3] == accepting and len(words) > 7}


def _inodes(pid: int | str) -> set[str]:
    found = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if (target := os.readlink(one)).startswith("socket:["):
                found.add(target[8:-1])
    return found
