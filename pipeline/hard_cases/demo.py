"""The demo: rendered streets and a detector that fails on one pattern, so that it is known which pictures hurt."""

from __future__ import annotations

from pathlib import Path

from pipeline import plugins
from pipeline.annotations import annotations as annotation_files
from pipeline.detection import simulated
from pipeline.errors import UsageError
from pipeline.hard_cases.case import Case, case_names, check_case_name, open_case
from pipeline.hard_cases.start import start_case
from pipeline.records import Progress, silent
from pipeline.settings import Settings

NAME, TITLE, SCENES, RARE = "street", "Street scenes", 600, "stripes"
REFERENCE = 0.2  # a tenth of 600 scenes holds about six of the rare ones


def start_demo(
    settings: Settings, *, name: str = NAME, scenes: int = SCENES, seed: int = 0, progress: Progress = silent
) -> Case:
    """Render the scenes and begin the case, or return the one that is there.

    The detector is simulated from the ground truth: right nearly everywhere, and mostly wrong and sure of it on stripes.
    """
    if check_case_name(name) in case_names(settings):
        return open_case(name, settings)
    if scenes < 50:
        raise UsageError(f"scenes is {scenes}; stripes are in a tenth of them, so take 50 at least")
    dataset = plugins.build("datasets", f"street:scenes={scenes},rare={RARE}")
    dataset.prepare(progress)
    return start_case(
        name,
        settings,
        pictures=dataset.root,
        truth=dataset.truth,
        predictions=simulate_predictions(dataset.truth, seed=seed),
        format="coco",
        reference=REFERENCE,
        seed=seed,
        title=TITLE,
    )


def simulate_predictions(truth: Path, *, fails_on: str = f"pattern={RARE}", seed: int = 0) -> Path:
    """A file of simulated predictions beside the truth; fails_on '' stands for a detector that was retrained."""
    file = truth.with_name(f"predictions-{fails_on.partition('=')[2] or 'retrained'}-{seed}.json")
    predictions = simulated.simulate(annotation_files.read(truth, "coco"), fails_on=fails_on, seed=seed)
    annotation_files.write(predictions, file)
    return file
