"""Stanford Online Products: photos of things for sale, several of each; the labels of train and test differ."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.datasets._folders import Published, given_origin
from pipeline.datasets._lists import check_folders, rows_of
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord

CARD = Card(
    summary="120,053 photos of 22,634 products in 12 kinds; no product of the test is in training",
    licence="none stated; published for research, cite Song et al., Deep Metric Learning via Lifted Structured "
    "Feature Embedding, 2016",
    source="https://cvgl.stanford.edu/projects/lifted_struct",
)
LISTS = {"train": "Ebay_train.txt", "test": "Ebay_test.txt"}
HEADER = "image_id class_id super_class_id path"


def build(*, root: PathText) -> StanfordProducts:
    """root: the folder Stanford_Online_Products, one above it, or the zip."""
    return StanfordProducts(given_origin("stanford_products", root, tuple(LISTS.values()), source=CARD.source))


class StanfordProducts(Published):
    """Records: train, then test, each in its list's order. label: the product's number, of 2 to 12 pictures.

    metadata: super_class, the kind of product, such as bicycle.
    """

    def records(self) -> Iterator[ImageRecord]:
        """Raises SemblanceError for a list that is damaged, or whose folders are not there."""
        self._origin.check_prepared()
        for split, name in LISTS.items():
            rows = rows_of(self.root / name, HEADER)
            check_folders(self.root, (path for *_, path in rows), file=self.root / name)
            for _, product, _, path in rows:
                kind = path.partition("/")[0].removesuffix("_final")
                yield ImageRecord(path, label=product, split=split, metadata={"super_class": kind})
