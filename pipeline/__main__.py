"""`python -m pipeline VERB`. Results on stdout, progress and log on stderr; exit 0 done, 1 failed, 2 usage."""

from __future__ import annotations

from pipeline.cli import commands, console

app = console.application("Semblance: pictures in, embeddings kept safely, nearest pictures out.", commands)


def main() -> None:
    console.run(app, stopped="stopped; what was committed is kept, the same command goes on from there")


if __name__ == "__main__":
    main()
