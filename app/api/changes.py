"""What changes a gallery: pictures that are added, removed and brought back; galleries made and deleted."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.api import galleries, jobs
from app.api.operations import Call, operation
from app.api.problems import Refused
from app.api.searching import known
from app.api.types import ID, MAX_IDS, Gallery, PictureId, asked
from app.server import exposure, pictures, quotas, store
from app.server import jobs as running
from pipeline.errors import PictureError, UsageError, display_name
from pipeline.gallery import gallery as on_disk
from pipeline.gallery import opening
from pipeline.images import uploads
from pipeline.ingest import sync
from pipeline.plugins import DEFAULT_ENCODER
from pipeline.settings import Settings

MAX_FILES = 64
MAX_ADDED_BYTES = uploads.MAX_ZIP_BYTES + (1 << 20)


class GalleryMade(BaseModel):
    model_config = asked({"name": "from_the_shop", "title": "From the shop"})

    name: str = Field(max_length=64, description="1 to 64 of a-z, 0-9 and _, beginning with a letter")
    title: str = Field("", max_length=200)


class PicturesAdded(BaseModel):
    """The pictures come beside it as files of a form; a zip's folders are labels."""

    model_config = asked({"label": "cup"})

    label: str = Field("", max_length=100, description="of all of them; a folder's name")
    encoder: str = Field("", max_length=300, description="of a gallery without pictures; else its own")


class Refusal(BaseModel):
    name: str
    reason: str


class Added(BaseModel):
    job: jobs.Job
    refused: list[Refusal] = Field(description="files that are no pictures we take")


class Ids(BaseModel):
    model_config = asked({"ids": [ID]})

    ids: list[PictureId] = Field(min_length=1, max_length=MAX_IDS)


class Changed(BaseModel):
    changed: int
    undo: str = Field(description="the operation that takes it back, with the same body")


@operation(
    "POST",
    "/galleries",
    scope="admin",
    tag="galleries",
    body=GalleryMade,
    answer=Gallery,
    status=201,
    problems=("conflict",),
)
def make_gallery(call: Call) -> Gallery:
    """Make an empty gallery; it can be asked once pictures were added."""
    settings = Settings()
    name = opening.check_name(call.body.name)
    if opening.is_taken(name, settings):
        raise Refused("conflict", f"there is a gallery {name!r}; take another name, or delete it first")
    quotas.check_disk(0)
    made = opening.create_gallery(name, settings, title=call.body.title)
    quotas.note(made.root)
    return galleries.described(made)


@operation(
    "DELETE", "/galleries/{gallery}", scope="admin", tag="galleries", answer=Changed, problems=("conflict", "store")
)
def delete_gallery(call: Call) -> Changed:
    """Delete a gallery for good: embeddings, thumbnails and uploads go, pictures in folders stay."""
    rows = galleries.described(call.gallery).rows
    sync.drop(call.gallery, store.store())
    store.forget(call.gallery)
    return Changed(changed=rows, undo="")


@operation(
    "POST",
    "/galleries/{gallery}/pictures",
    scope="write",
    tag="pictures",
    body=PicturesAdded,
    answer=Added,
    files=MAX_FILES,
    max_bytes=MAX_ADDED_BYTES,
    status=202,
    problems=("picture", "conflict"),
)
def add_pictures(call: Call) -> Added:
    """Keep pictures, or those in one zip, among the gallery's originals, and start the job that ingests them."""
    gallery, spec = call.gallery, _encoder(call.gallery, call.body.encoder)
    if not call.files:
        raise Refused("picture", "no picture came; send each as a file `picture` of a form")
    running.check(["--encoder", spec], gallery.name)  # before anything is kept for it
    folder = uploads.new_folder(gallery.originals)
    refused = []
    with quotas.kept(folder, sum(len(file.data) for file in call.files)):
        zipped = [file for file in call.files if file.name.lower().endswith(".zip")]
        if zipped and len(call.files) > 1:
            raise UsageError("send one zip, or pictures, and not both")
        if zipped:
            uploads.unpack(zipped[0].data, folder)
        else:
            place = folder / _folder_of(call.body.label)
            for file in call.files:
                try:
                    pictures.in_turn(lambda file=file: uploads.save_upload(file.name, file.data, place))
                except PictureError as error:
                    refused.append(Refusal(name=display_name(file.name)[:200], reason=str(error)))
    if len(refused) == len(call.files):
        raise Refused("picture", "; ".join(f"{one.name}: {one.reason}" for one in refused[:10]))
    command = ["pipeline", "ingest", gallery.name, "--dataset", f"folder:root={folder}", "--encoder", spec]
    title = f"Ingest into {gallery.manifest()['title']}"
    return Added(job=jobs.told(running.start(command, title=title, gallery=gallery.name)), refused=refused)


@operation("POST", "/galleries/{gallery}/pictures/remove", scope="write", tag="pictures", body=Ids, answer=Changed)
def remove_pictures(call: Call) -> Changed:
    """Take pictures out of every answer; their files stay, and `restore` undoes it."""
    ids = list(dict.fromkeys(call.body.ids))
    known(call.gallery, ids)
    store.remove(call.gallery, ids)
    return Changed(changed=len(ids), undo="restore_pictures")


@operation("POST", "/galleries/{gallery}/pictures/restore", scope="write", tag="pictures", body=Ids, answer=Changed)
def restore_pictures(call: Call) -> Changed:
    """Bring removed pictures back."""
    ids = list(dict.fromkeys(call.body.ids))
    removed = call.gallery.removed()
    if missing := [one for one in ids if one not in removed]:
        raise Refused("not-found", f"picture {missing[0]} is not among the removed ones; nothing was changed")
    store.restore(call.gallery, ids)
    return Changed(changed=len(ids), undo="remove_pictures")


def _encoder(gallery: on_disk.Gallery, wanted: str) -> str:
    """The gallery's own, or what was asked for where it has none yet. UsageError for another one."""
    if not gallery.current:
        return wanted or DEFAULT_ENCODER
    own = str(gallery.encoder()["spec"])
    if wanted not in ("", own):
        raise UsageError(f"gallery {gallery.name} has the encoder {exposure.without_paths(own)}; leave `encoder` out")
    return own


def _folder_of(label: str) -> str:
    """A label as the folder that says it. UsageError where no folder can be called so."""
    if label and (len(label.encode()) > 150 or not uploads.is_plain(label)):
        raise UsageError(
            f"the label {display_name(label)[:60]!r} cannot be a folder's name; give it with `labels` afterwards"
        )
    return label
