"""What the command lines share: one look, options said once, and a user's errors as one sentence with an exit code."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import re
import signal
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import SemblanceError, UsageError

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery
    from pipeline.settings import Settings

Name = Annotated[str, typer.Argument(help="Gallery: a-z, 0-9, _", metavar="NAME")]
ProgressKind = Annotated[str, typer.Option("--progress", help="auto, json (one object a line) or none")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, …")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout")]
To = Annotated[
    str, typer.Option(help="Another Milvus: http://…, or a path ending in .db; default is the configured one")
]
Ids = Annotated[list[str], typer.Option("--ids", help="Ids of pictures, repeated or separated by commas")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask")]

_NO_MEMORY = re.compile(r"allocate memory|bad.alloc|out of memory|start new thread", re.IGNORECASE)

_WITH_PASSWORD = re.compile(r"(--to=)?(mongodb(\+srv)?|https?)://[^/?@]*:[^/?]*@")


def each(ids: list[str]) -> list[str]:
    """What `Ids` were given, one by one."""
    return [part for text in ids for part in text.split(",") if part]


def show_in_index(gallery: Gallery, ids: list[str]) -> None:
    """Bring what was just said about these pictures into Milvus; where that cannot be had, say that `sync` does it."""
    from pipeline.errors import StoreError
    from pipeline.ingest.sync import apply_judged, open_store
    from pipeline.settings import Settings

    try:
        with contextlib.closing(open_store(Settings())) as store:
            apply_judged(gallery, store, ids)
    except StoreError as error:
        print(f"noted on disk; the index follows at the next sync: {error}", file=sys.stderr)


def fill_index(gallery: Gallery, settings: Settings, progress: str = "none") -> None:
    """Of a gallery that was just made. Exits with 1 and what to do where Milvus cannot be had and no app has it either."""
    from pipeline.errors import StoreError, StoreLocked
    from pipeline.ingest.sync import open_store, sync
    from pipeline.progress import shown

    try:
        with contextlib.closing(open_store(settings)) as store, shown(progress) as show:
            sync(gallery, store, progress=show)
    except StoreLocked as error:
        print(f"the index was not filled: {error}. An open app does it by itself", file=sys.stderr)
    except StoreError as error:
        print(f"the index was not filled: {error}. Then: python -m pipeline sync {gallery.name}", file=sys.stderr)
        sys.exit(1)


def change_index(gallery: Gallery, settings: Settings, progress: str = "none") -> None:
    """Of a gallery whose rows were just changed; where Milvus cannot be had, say that `sync` does it. A command that has it at
    the moment is waited for."""
    from pipeline.errors import StoreError, StoreLocked
    from pipeline.ingest.sync import index_later, open_store, sync
    from pipeline.progress import shown

    failure = ""
    try:
        with contextlib.closing(open_store(settings)) as store:
            sync(gallery, store)
    except StoreLocked as error:
        with shown(progress) as told:
            failure = index_later(gallery, settings, error, progress=told)
    except StoreError as error:
        failure = str(error)
    if failure:
        print(f"kept on disk; the index follows at the next sync: {failure}", file=sys.stderr)


def application(summary: str, rooms: ModuleType) -> typer.Typer:
    """The verbs of every file in the folder `rooms`: each has `register(app)`."""
    app = typer.Typer(
        help=summary,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"token_normalize_func": _dashes, "help_option_names": ["-h", "--help"]},
    )
    for room in pkgutil.iter_modules(rooms.__path__):
        importlib.import_module(f"{rooms.__name__}.{room.name}").register(app)
    return app


def run(app: typer.Typer, *, stopped: str = "") -> None:
    """Run one verb. stopped: what to say after a Ctrl-C that no verb has answered."""
    # An app started by nohup or a script in the background hands its children a SIGINT that is ignored; "Stop" sends one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _refuse_passwords(sys.argv[1:])
        app()
    except SemblanceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == 130 and stopped:  # typer's answer to Ctrl-C, which is silent
            print(stopped, file=sys.stderr)
        raise
    except (MemoryError, RuntimeError) as error:  # torch has no type of its own for it
        if isinstance(
            error.__cause__, KeyboardInterrupt
        ):  # a Ctrl-C while a class was made, as Python before 3.12 tells it
            print(stopped or "stopped", file=sys.stderr)
            sys.exit(130)
        if isinstance(error, RuntimeError) and not _NO_MEMORY.search(str(error)):
            raise
        print(
            "error: not enough memory; take a smaller encoder or fewer pictures at a time. What was committed is kept",
            file=sys.stderr,
        )
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:  # a full disk or a missing permission where no module could say more
        print(f"error: {error}; check the folder, its permissions and the free space", file=sys.stderr)
        sys.exit(1)


def _refuse_passwords(words: list[str]) -> None:
    """Whoever is on this machine reads them in the list of processes, for as long as the command runs."""
    if any(_WITH_PASSWORD.match(word) for word in words):
        raise UsageError(
            "a password in an address can be read in this machine's list of processes; put MongoDB's address into "
            "SEMBLANCE_MONGODB and write mongodb:// alone, Milvus' user:password into SEMBLANCE_MILVUS_TOKEN"
        )


def _dashes(name: str) -> str:
    """`--num_pos_images` and `--num-pos-images` are the same option; click takes the dashes before it off."""
    return name.replace("_", "-")
