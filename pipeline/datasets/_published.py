"""A published dataset that is not fetched here: a folder that a person has, or its archive, unpacked once."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import UsageError
from pipeline.files.archives import Origin, Source
from pipeline.records import Progress, silent


def given(name: str, root: str, has: Sequence[str], *, source: str) -> Origin:
    """has: by what its own folder is recognised. Raises UsageError for an empty root and for something else."""
    if not root:
        raise UsageError(f"{name} is not downloaded here; get it from {source} and give it as root=PATH")
    return Source(name, has).at(root)


class Published:
    """What such datasets share; each adds its `records`, which begin with `_origin.check_prepared()`."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self.root = origin.root

    def prepare(self, progress: Progress = silent) -> None:
        """Unpack an archive once. Raises SemblanceError when that fails."""
        self._origin.prepare(progress)
