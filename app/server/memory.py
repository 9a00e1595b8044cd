"""How much memory this machine, or the container, has, and how much a job and all its children hold."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_CGROUPS = Path("/sys/fs/cgroup")
_OF_SESSION, _RESIDENT = 3, 21  # places in /proc/PID/stat after the name


def total() -> int:
    """Bytes: the least of the machine's memory, the limits of the container it runs in, and that of address space."""
    return min(filter(None, (_of_machine(), *_of_container(), _of_addresses())), default=4 << 30)


def members(leader: int) -> list[int]:
    """Processes of the session that the process `leader` began: itself and whatever it started. Linux only, else []."""
    return [pid for pid, words in _processes() if words[_OF_SESSION] == str(leader)]


def held(leader: int) -> int:
    """Bytes that those processes hold; what they share counts once. 0 where it cannot be told."""
    return sum(_share(pid) for pid in members(leader))


def held_at_most(leader: int) -> int:
    """As `held`, a hundred times quicker, but what they share counts for each of them."""
    return sum(int(words[_RESIDENT]) * PAGE for _, words in _processes() if words[_OF_SESSION] == str(leader))


def _processes() -> Iterator[tuple[int, list[str]]]:
    if sys.platform != "linux":
        return
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):  # it ended meanwhile
                words = Path(entry.path, "stat").read_text().rpartition(")")[2].split()  # a name may hold anything
                yield int(entry.name), words


def _share(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        with contextlib.suppress(OSError, IndexError):
            return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
        return 0


def _of_machine() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * PAGE
    except (AttributeError, ValueError, OSError):
        return 0


def _of_container() -> Iterator[int]:
    """What control groups allow, of both versions; a group's limit holds for those below it too."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top, name = (_CGROUPS / "memory", "memory.limit_in_bytes") if controllers else (_CGROUPS, "memory.max")
        group = top / path.lstrip("/")
        for folder in (
            group,
            *group.parents,
        ):  # inside a container the path may be the host's: then `top` alone is there
            with contextlib.suppress(OSError, ValueError):  # "max"
                yield int((folder / name).read_text())
            if folder == top:
                break


def _of_addresses() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return 0 if soft == resource.RLIM_INFINITY else soft
