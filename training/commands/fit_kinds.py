"""Words for a model without a text tower: `fit-kinds`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline import plugins, progress
from training.commands.learn import Seed, Shown


def register(app: typer.Typer) -> None:
    app.command("fit-kinds")(fit_kinds)


def fit_kinds(
    folder: Annotated[Path, typer.Argument(help="of a model over EfficientNet-Lite, such as models/")],
    dataset: Annotated[list[str], typer.Option(metavar="SPEC", help="pictures to ask the classifier about; repeated")],
    wordnet: Annotated[Path, typer.Option(help="WordNet 3.0's folder, for kinds.json; without it that stays")] = Path(
        ""
    ),
    each: Annotated[int, typer.Option(min=0, help="pictures of each label; 0 = all")] = 0,
    limit: Annotated[int, typer.Option(min=0, help="pictures of each dataset; 0 = all")] = 0,
    seed: Seed = 0,
    shown: Shown = "auto",
) -> None:
    """Learn from the backbone's classifier which of its 1,000 kinds an embedding shows; labels are not looked at."""
    from pipeline.files import checksummed
    from training.frozen import readout
    from training.frozen import wordnet as nouns

    if wordnet != Path(""):
        checksummed.write(folder / "kinds.json", nouns.table(wordnet))
    specs = [plugins.absolute("datasets", spec) for spec in dataset]
    with progress.shown(shown) as show:
        agreed = readout.fit(folder, datasets=specs, each=each, limit=limit, seed=seed, progress=show)
    print(f"{folder / 'kinds.safetensors'}: of held-out pictures {agreed:.1%} get the classifier's kind")
