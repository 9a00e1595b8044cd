"""`python -m training VERB`. Results on stdout, progress and log on stderr; exit 0 done, 1 failed, 2 usage, 130 stopped."""

from __future__ import annotations

from pipeline.cli import console
from training import commands

app = console.application("Teach an encoder what similar means: prepare, train, evaluate, export.", commands)


def main() -> None:
    console.run(app)


if __name__ == "__main__":
    main()
