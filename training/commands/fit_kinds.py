"""Words for a model without a text tower: `fit-kinds`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline import progress
from pipeline.plugins import absolute
from training.commands.learn import Seed, Shown


def register(app: typer.Typer) -> None:
    app.command("fit-kinds")(fit_kinds)


def fit_kinds(
    folder: Annotated[Path, typer.Argument(help="of a model over EfficientNet-Lite, such as models/")],
    labels: Annotated[
        str, typer.Option(metavar="SPEC", help="pictures to ask the classifier about, some of each label")
    ],
    unlabelled: Annotated[
        list[str] | None, typer.Option(metavar="SPEC", help="more of them; repeated for more")
    ] = None,
    wordnet: Annotated[Path, typer.Option(help="WordNet 3.0's folder, for kinds.json; without it that stays")] = Path(
        ""
    ),
    each: Annotated[int, typer.Option(min=0, help="pictures of each label of --labels; 0 = all")] = 0,
    seed: Seed = 0,
    shown: Shown = "auto",
) -> None:
    """Learn from the backbone's classifier which of its 1,000 kinds an embedding shows; labels are not looked at."""
    from pipeline.files import checksummed
    from training.frozen import readout
    from training.frozen import wordnet as nouns

    if wordnet != Path(""):
        checksummed.write(folder / "kinds.json", nouns.table(wordnet))
    with progress.shown(shown) as show:
        agreed = readout.fit(
            folder, labels=absolute("datasets", labels), unlabelled=[absolute("datasets", spec) for spec in unlabelled or ()],
            each=each, seed=seed, progress=show,
        )  # fmt: skip
    print(f"{folder / 'kinds.safetensors'}: of held-out pictures {agreed:.1%} get the classifier's kind")
