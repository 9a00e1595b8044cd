"""`python -m training VERB`. Results on stdout, progress and log on stderr; exit 0 done, 1 failed, 2 usage, 130 stopped."""

from __future__ import annotations

import signal
import sys

import typer

from pipeline.errors import SemblanceError
from training.commands import embedding, learn, result, triplets

app = typer.Typer(
    help="Teach an encoder what similar means: prepare, train, evaluate, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={
        "token_normalize_func": lambda name: name.replace("_", "-"),
        "help_option_names": ["-h", "--help"],
    },
)
for room in (learn, embedding, triplets, result):
    room.register(app)


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a run begun in the background can be stopped too
    try:
        app()
    except SemblanceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(f"error: {error}; check the folder, its permissions and the free space", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
