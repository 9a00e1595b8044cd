"""`python -m pipeline VERB`. Results on stdout, progress and log on stderr; exit 0 done, 1 failed, 2 usage."""

from __future__ import annotations

import signal
import sys

import typer

from pipeline.commands import collect, encoders, explain, inform, keep, length, look, measure
from pipeline.errors import SemblanceError


def _dashes(name: str) -> str:
    """`--num_pos_images` and `--num-pos-images` are the same option; click takes the dashes before it off."""
    return name.replace("_", "-")


app = typer.Typer(
    help="Semblance: pictures in, embeddings kept safely, nearest pictures out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"token_normalize_func": _dashes, "help_option_names": ["-h", "--help"]},
)
for room in (collect, look, explain, length, measure, encoders, keep, inform):
    room.register(app)


def main() -> None:
    """Run one verb; an error a user can cause becomes one sentence and an exit code."""
    # An app started by nohup or a script in the background hands its children a SIGINT that is ignored; "Stop" sends one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app()
    except SemblanceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == 130:  # typer's answer to Ctrl-C, which is silent
            print("stopped; what was committed is kept, the same command goes on from there", file=sys.stderr)
        raise
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:  # a full disk or a missing permission where no module could say more
        print(f"error: {error}; check the folder, its permissions and the free space", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
