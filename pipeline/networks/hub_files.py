"""Files of the Hugging Face hub: looked for on this machine first, then downloaded, once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def fetch(repository: str, names: Sequence[str]) -> Path:
    """The first of these files that `repository` ("organisation/name") has.

    Raises what huggingface_hub raises, OSError and RuntimeError; FileNotFoundError when it has none of them.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for name in names:
        try:
            # without asking the hub, which offline would take half a minute at every start
            return Path(hf_hub_download(repository, name, local_files_only=True))
        except LocalEntryNotFoundError:
            continue
    for name in names:
        try:
            return Path(hf_hub_download(repository, name))
        except LocalEntryNotFoundError:  # the hub cannot be reached; it is an EntryNotFoundError too
            raise
        except EntryNotFoundError:
            continue
    raise FileNotFoundError(f"{repository} has none of {', '.join(names)}")
