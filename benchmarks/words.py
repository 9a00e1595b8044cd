"""How well words find pictures where no text tower reads them, by the labels of pictures that taught nothing.

    python -m benchmarks.words caltech101=folder:root=FOLDER --each 30 [--keep FOLDER]
    python -m benchmarks.words cifar10=cifar10:root=FOLDER --each 200 [--keep FOLDER]

The name says which nouns are asked; what is right for each was written down before it was asked. Printed: precision_at_10 of
each group of nouns, the share right among hits that are called strong, how many pictures of labels that are a kind say what they
show and how many of those say that kind or what it is of, and each noun below 0.75 with what it was taken for.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks import measuring
from benchmarks.trust import embedded
from pipeline import plugins, schema
from pipeline.filters import Filter
from pipeline.gallery import confidence
from pipeline.kinds import readout, tags, words
from pipeline.records import Rows, SearchHit
from pipeline.search import by_kind

FIRST = 10
NOUNS: dict[str, dict[str, dict[str, str]]] = {  # dataset to group to noun to the labels that are right, divided by spaces
    "caltech101": {
        "kinds": {
            "accordion": "accordion", "ant": "ant", "barrel": "barrel", "beaver": "beaver", "binoculars": "binocular",
            "cannon": "cannon", "cougar": "cougar_body cougar_face", "crayfish": "crayfish", "cup": "cup",
            "dalmatian": "dalmatian", "dragonfly": "dragonfly", "electric guitar": "electric_guitar",
            "flamingo": "flamingo flamingo_head", "grand piano": "grand_piano", "laptop": "laptop", "leopard": "Leopards",
            "llama": "llama", "pizza": "pizza", "platypus": "platypus", "revolver": "revolver", "schooner": "schooner",
            "scorpion": "scorpion", "soccer ball": "soccer_ball", "starfish": "starfish", "strawberry": "strawberry",
            "tick": "tick", "trilobite": "trilobite", "umbrella": "umbrella", "chambered nautilus": "nautilus",
            "American lobster": "lobster",
        },
        "several": {
            "bird": "emu flamingo flamingo_head ibis pigeon rooster", "cat": "wild_cat cougar_body cougar_face Leopards",
            "dog": "dalmatian", "insect": "ant butterfly dragonfly mayfly", "butterfly": "butterfly", "crab": "crab",
            "elephant": "elephant", "turtle": "hawksbill",
            "reptile": "crocodile crocodile_head hawksbill brontosaurus stegosaurus",
            "musical instrument": "accordion electric_guitar euphonium grand_piano mandolin saxophone",
            "guitar": "electric_guitar", "piano": "grand_piano", "chair": "chair windsor_chair wheelchair",
            "car": "car_side", "telephone": "cellphone", "computer": "laptop", "arachnid": "scorpion tick",
            "crustacean": "crab crayfish lobster", "big cat": "Leopards", "sailboat": "ketch schooner",
        },
        "synonyms": {
            "rooster": "rooster", "panda": "panda", "puma": "cougar_body cougar_face", "crawfish": "crayfish",
            "sea star": "starfish", "squeeze box": "accordion", "field glasses": "binocular", "pizza pie": "pizza",
            "saxophone": "saxophone", "cellphone": "cellphone",
        },
    },
    "cifar10": {
        "several": {
            "airplane": "airplane", "automobile": "automobile", "bird": "bird", "cat": "cat", "deer": "deer",
            "dog": "dog", "frog": "frog", "horse": "horse", "ship": "ship", "truck": "truck",
        }
    },
}  # fmt: skip


def _shown(
    known: readout.Readout, rows: np.ndarray, labels: np.ndarray, groups: dict[str, dict[str, str]]
) -> tuple[list[bool], list[bool]]:
    """Of each picture whose label is a kind or a synonym of one whether it has a word, and of those whether it is right."""
    kinds = {
        label: words.meaning(noun).kinds
        for group in ("kinds", "synonyms")
        for noun, right in groups.get(group, {}).items()
        for label in right.split()
    }
    named = [(name, {i}) for i, name in enumerate(words.names_of_kinds())] + [
        (name, set(of)) for name, of in words.groups()
    ]
    said, good = [], []
    for label, shown in zip(labels, tags.tags(known, rows), strict=True):
        if label in kinds:
            said.append(bool(shown))
            if shown:
                good.append(any(name == shown[tags.SHOWS] and of & set(kinds[label]) for name, of in named))
    return said, good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", help=f"NAME=SPEC, NAME one of {', '.join(NOUNS)}")
    parser.add_argument("--each", type=int, default=0, help="pictures of each label; 0 = all")
    parser.add_argument("--keep", type=Path, default=Path("data/cache/trust"))
    asked = parser.parse_args()
    name, _, spec = asked.dataset.partition("=")
    rows, labels = embedded("deep_ranking", spec, asked.each, asked.keep)
    known = readout.of(plugins.build("encoders", "deep_ranking", device="cpu").fingerprint)
    assert known
    store = plugins.build("stores", "exact")
    ids = [str(i) for i in range(len(rows))]
    columns = {
        column: ids
        if column in ("id", "path")
        else [schema.Row.__dataclass_fields__[column].default_factory() for _ in ids]
        for column in schema.NAMES
    }
    store.create("words", dim=rows.shape[1])
    store.upsert("words", Rows(schema.table(columns | {"label": labels.tolist()}), rows))

    def nearest(directions: np.ndarray, k: int) -> list[SearchHit]:
        return [hit for answer in store.search("words", directions, k=k, where=Filter()) for hit in answer]

    table, low, every = [], [], list[float]()
    for group, nouns in NOUNS[name].items():
        found, strong = [], []
        for noun, right in nouns.items():
            hits, likely, said = by_kind.hits(known, store, "words", by_kind.asked((noun,)), nearest, FIRST)
            good = [hit.label in right.split() for hit in hits]
            strong += [
                one
                for hit, one in zip(hits, good, strict=True)
                if confidence.band(by_kind.LEARNED, likely[hit.id]) == "strong"
            ]
            found.append(float(np.mean(good[:FIRST])))
            if found[-1] < 0.75:
                low.append((noun, f"{found[-1]:.1f}", said))
        every += found
        table.append((group, str(len(found)), f"{np.mean(found):.3f}", f"{np.mean(strong):.3f} of {len(strong):,}"))
    told, true = _shown(known, rows, labels, NOUNS[name])
    table.append(("all", str(len(every)), f"{np.mean(every):.3f}", ""))
    print(measuring.machine())
    print(measuring.table((f"{name}, {len(rows):,} pictures", "nouns", "precision_at_10", "right in strong"), table))
    if true:
        print(
            f"of {len(told):,} pictures of these kinds {np.mean(told):.3f} say what they show, {np.mean(true):.3f} of them right"
        )
    print(measuring.table(("noun", "precision_at_10", "taken for"), low))


if __name__ == "__main__":
    main()
