"""DeepFashion, In-shop Clothes Retrieval: photos of 7,982 articles of clothing, several of each."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets._folders import find_layout
from pipeline.datasets._lists import check_folders, rows_of
from pipeline.errors import SemblanceError, UsageError
from pipeline.files.archives import DamagedArchive, unpack
from pipeline.files.atomic import make_once, name_for
from pipeline.files.downloads import download
from pipeline.plugins import Card, PathText
from pipeline.records import ImageRecord, Progress, silent
from pipeline.settings import Settings

CARD = Card(
    summary="52,712 photos of 7,982 articles of clothing in the splits train, query and gallery",
    licence="for research and education, not commercial; on request, with an agreement to sign",
    source="https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion/InShopRetrieval.html",
)
PASSWORD = "SEMBLANCE_DEEPFASHION_PASSWORD"  # read from the environment only: a spec is kept in gallery.json
ASK = f"ask for the link and the password at {CARD.source}"
LIST, HEADER = "list_eval_partition.txt", "image_name item_id evaluation_status"
BOXES, BOXES_HEADER = "list_bbox_inshop.txt", "image_name clothes_type pose_type x_1 y_1 x_2 y_2"
SPLITS = ("train", "query", "gallery")
# As published, with Eval/ and Img/, or all in one folder; img.zip is what img comes in, locked
LISTS = (f"Eval/{LIST}", LIST)
PICTURES = ("Img/img", "img")
LOCKED = ("Img/img.zip", "img.zip")
LAYOUTS = [(list_, pictures) for pictures in (*PICTURES, *LOCKED) for list_ in LISTS]
EXPECTED = f"{LIST} (or Eval/{LIST}) and img (or Img/img, or img.zip in its place)"


def build(*, root: PathText = PathText(""), url: str = "") -> DeepFashion:
    """root: the dataset's folder, one above it, or a zip of it. url: a link to that zip.

    A locked zip, also Img/img.zip in a folder, is opened with the password in SEMBLANCE_DEEPFASHION_PASSWORD.
    """
    if bool(root) == bool(url):
        raise UsageError(f"deepfashion needs root=FOLDER (or a zip), or url=LINK and the password in {PASSWORD}; {ASK}")
    cache = Settings().cache.absolute()
    if url:
        name = f"deepfashion-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
        return DeepFashion(cache / name, None, archive=cache / f".{name}.zip", url=url)
    path = Path(root).expanduser().absolute()
    if path.is_dir():
        folder, (list_, pictures) = find_layout("deepfashion", path, LAYOUTS, expected=EXPECTED)
        lists = folder / list_, _boxes_file(folder)
        if pictures in LOCKED:
            archive = folder / pictures
            return DeepFashion(cache / name_for("deepfashion", [archive]), lists, archive=archive)
        return DeepFashion((folder / pictures).parent, lists)
    if not path.is_file():
        raise UsageError(f"root={root}: there is no such file or folder; check the spelling, or {ASK}")
    if path.suffix.lower() != ".zip":
        raise UsageError(f"root={root} is neither a folder nor a .zip; unpack it and give the folder")
    return DeepFashion(cache / name_for("deepfashion", [path]), None, archive=path)


class DeepFashion:
    """Records in the list's order. label: the item, so pictures of one label show one article.

    split: train, query, gallery; no item of the last two is in the first. metadata: gender (MEN, WOMEN), category
    (Denim, Dresses, …), item, and box, "x,y,w,h" in pixels of the article, '' without list_bbox_inshop.txt.
    """

    def __init__(
        self, root: Path, lists: tuple[Path, Path] | None, *, archive: Path | None = None, url: str = ""
    ) -> None:
        self.root = root  # what the lists' paths, img/…, are relative to
        self._lists = lists  # which split, which box; None: they come with the archive
        self._archive, self._url = archive, url

    def prepare(self, progress: Progress = silent) -> None:
        """Download and unpack once. Raises UsageError without the password, SemblanceError when it is wrong."""
        if self._archive is not None:
            make_once(self.root, lambda staging: self._unpacked(staging, progress))

    def records(self) -> Iterator[ImageRecord]:
        """Raises SemblanceError for a list that is damaged, or whose folders are not there."""
        if not self.root.exists():
            raise SemblanceError(f"deepfashion is not unpacked to {self.root} yet; call prepare() first")
        file, boxes_file = self._lists or (self.root / LIST, self.root / BOXES)
        rows = rows_of(file, HEADER, counted=True)
        if unknown := {status for *_, status in rows} - set(SPLITS):
            raise SemblanceError(f"{file} is damaged: {min(unknown)!r} is none of {', '.join(SPLITS)}")
        check_folders(self.root, (path for path, *_ in rows), file=file)
        boxes = _boxes(boxes_file)
        for path, item, split in rows:
            gender, category = [*path.split("/")[1:3], "", ""][:2]
            metadata = {"gender": gender, "category": category, "item": item, "box": boxes.get(path, "")}
            yield ImageRecord(path, label=item, split=split, metadata=metadata)

    def _unpacked(self, staging: Path, progress: Progress) -> Path:
        """The folder in staging that is to be root; it holds img, and the lists when they came with it."""
        archive = self._archive
        assert archive is not None
        password = os.environ.get(PASSWORD, "")
        if self._url:
            if not password:
                raise UsageError(f"the zip at url= is locked; put its password into {PASSWORD}: {ASK}, or give root=")
            download(self._url, archive, progress=progress)
        shutil.rmtree(staging, ignore_errors=True)
        try:
            root = _unlocked(archive, staging, password, progress, with_lists=self._lists is None)
        except SemblanceError as error:
            shutil.rmtree(staging, ignore_errors=True)
            if not (self._url and isinstance(error, DamagedArchive)):
                raise
            archive.unlink()
            raise SemblanceError(
                f"url={self._url} brought something else than the zip of deepfashion ({error}); give a link to the file "
                "itself, not to a page that shows it, or fetch it yourself and give it as root="
            ) from error
        if self._url:
            archive.unlink()
        return root


def _unlocked(archive: Path, staging: Path, password: str, progress: Progress, *, with_lists: bool) -> Path:
    _unpack(archive, staging, password, progress)
    if not with_lists:
        if not (staging / "img").is_dir():
            raise DamagedArchive(f"{archive} holds no folder img")
        return staging
    try:
        folder, (list_, pictures) = find_layout("deepfashion", staging, LAYOUTS, expected=EXPECTED)
    except UsageError as error:
        raise DamagedArchive(f"{archive}: {error}") from error
    root = (folder / pictures).parent
    if pictures in LOCKED:
        _unpack(folder / pictures, root, password, progress)
        (folder / pictures).unlink()
    for file in (folder / list_, _boxes_file(folder)):
        if file.is_file():
            os.replace(file, root / file.name)
    return root


def _unpack(archive: Path, folder: Path, password: str, progress: Progress) -> None:
    if not password and _is_locked(archive):
        raise UsageError(
            f"{archive} is locked; put its password into {PASSWORD} and run the same again, or unpack it yourself and "
            f"give the folder as root=FOLDER; {ASK}"
        )
    unpack(archive, folder, progress=progress, password=password)


def _is_locked(archive: Path) -> bool:
    try:
        with zipfile.ZipFile(archive) as file:
            return any(member.flag_bits & 1 for member in file.infolist())
    except (zipfile.BadZipFile, OSError):
        return False  # unpacking says what is wrong with it


def _boxes_file(folder: Path) -> Path:
    """Where it is, or would be."""
    return next((file for file in (folder / "Anno" / BOXES, folder / BOXES) if file.is_file()), folder / BOXES)


def _boxes(file: Path) -> dict[str, str]:
    """Path to "x,y,w,h"; empty when there is no such file."""
    if not file.is_file():
        return {}
    boxes = {}
    for path, _, _, *corners in rows_of(file, BOXES_HEADER, counted=True):
        try:
            left, top, right, bottom = map(int, corners)
        except ValueError:
            raise SemblanceError(f"{file} is damaged: {' '.join(corners)} is not a box; unpack it again") from None
        boxes[path] = f"{left},{top},{right - left},{bottom - top}"
    return boxes
