"""What strangers see when the app is exposed (SEMBLANCE_EXPOSED): no path of this machine, no stack trace."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import sys
import tempfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from streamlit.runtime.app_session import AppSession

from pipeline import ROOT, plugins
from pipeline.errors import SemblanceError, UsageError, display_name
from pipeline.fingerprints import FORMER_DEFAULT
from pipeline.settings import current, exposed

SHIPPED_ENCODERS = ("color_histogram", "deep_ranking", FORMER_DEFAULT, "efficientnet_lite", "raw_pixels")
_ENCODERS_IN = ("--encoder", "--encoders", "--measure")
_NAMES_IN = ("--index", "--indexes", "--rerank", "--method", "--detector")
_GREETING = AppSession._create_new_session_message
_END = r"""\s'"()<>,;:|"""
# An absolute path of any system, ours or not: its last name stays. No address (http://…) and no relative path.
_PATH = re.compile(rf"(?<![\w:/\\.…~-])(?:[A-Za-z]:[\\/]|~/|/(?=[\w.-]+/))(?:[^{_END}]*[\\/])?([^{_END}]*)")


def apply() -> None:
    """Sentences of this process pass `shown` before a page has them; the log keeps them as they are."""
    SemblanceError.shown = staticmethod(shown)
    AppSession._create_new_session_message = _new_session  # type: ignore[method-assign]


def shown(text: str) -> str:
    """`text` for a visitor: when exposed, without paths; else as it is."""
    return without_paths(text) if exposed() else text


def without_paths(text: str) -> str:
    """`text` with `…` in place of folders of this machine."""
    for folder in _folders(str(current().home)):
        text = text.replace(folder, "…")
    return _PATH.sub(r"…/\1", text)


def opened(path: str | os.PathLike[str]) -> Path:
    """The path to open in place of the one that was typed, absolute.

    When exposed it is where links and `..` lead, it exists and lies in SEMBLANCE_FOLDERS; else UsageError, the same for
    what is not there and what is closed.
    """
    real = None
    try:
        typed = Path(path).expanduser().absolute()
        with contextlib.suppress(OSError):  # not there, closed to us, links in a ring, longer than the system takes
            real = Path(os.path.realpath(typed, strict=True))
    except (ValueError, RuntimeError):  # a NUL, a name of no user
        raise UsageError(f"{str(path)!r} is no path") from None
    if not exposed():
        return typed
    allowed = [os.path.realpath(one) for one in current().folders.split(os.pathsep) if one]
    if real is None or not any(real.is_relative_to(one) for one in allowed):
        raise UsageError(
            "no such file or folder is open to visitors; upload the pictures, or ask whoever runs this app to add the "
            "folder to SEMBLANCE_FOLDERS"
        )
    return real


def dataset_at(path: Path, option: str) -> str:
    """The spec of the dataset at an `opened` path, such as folder:root=PATH. UsageError for a name that a spec cannot hold."""
    spec = f"{option}={path}"
    if plugins.parse(spec)[1] != {option.partition(":")[2]: str(path)}:
        raise UsageError("what has a comma and an equals sign in its path cannot be ingested; rename it")
    return spec


def check_plugins(command: Sequence[str], own: Collection[str]) -> None:
    """UsageError unless a visitor may start `command` with the plugins it names.

    When exposed: of encoders those offered and `own`, of all else a name without options. A browser may send any text in
    place of what its page offers, and an option may open a file or take more memory than there is.
    """
    if not exposed():
        return
    joined = (token.split("=", 1) for token in command if token.startswith("--") and "=" in token)
    for option, value in itertools.chain(itertools.pairwise(command), joined):
        if option in _ENCODERS_IN and value not in (*_encoders(), *own):
            raise UsageError(
                f"visitors may choose {', '.join(_encoders())} and what a gallery has, not {display_name(value)}; whoever runs "
                "this app adds others to SEMBLANCE_ENCODERS"
            )
        if option in _NAMES_IN and ":" in value:
            raise UsageError(
                f"visitors may choose by name alone, not {display_name(value)}; leave out what follows the colon"
            )


def offered_encoders(specs: Iterable[str]) -> list[str]:
    """Those of `specs` that a visitor may choose, then what SEMBLANCE_ENCODERS adds; on one's own machine all of them."""
    return [spec for spec in specs if spec in _encoders()] + current().encoders.split() if exposed() else list(specs)


def _encoders() -> list[str]:
    """Their weights come with the app and need little memory; an option such as weights=FILE may open or fetch anything."""
    return [*SHIPPED_ENCODERS, *current().encoders.split()]


def _new_session(session: AppSession, *given: Any, **named: Any) -> Any:
    """Streamlit greets every browser with the absolute path of its script, which the browser has no use for."""
    message = _GREETING(session, *given, **named)
    if exposed():
        message.new_session.main_script_path = "main.py"
    return message


@functools.lru_cache(maxsize=4)
def _folders(home: str) -> list[str]:
    """Folders that tell of this machine, the longest first; they may have blanks, which `_PATH` ends at."""
    named = [home, str(ROOT), str(Path.home()), tempfile.gettempdir(), sys.prefix]
    both = {form for one in named for form in (os.path.abspath(one), os.path.realpath(one))}
    return sorted((one for one in both if one.count(os.sep) > 1 or len(one) > 3), key=len, reverse=True)
