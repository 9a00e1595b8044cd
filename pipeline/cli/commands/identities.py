"""Verbs on identities: identity add, extend, remove, list."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import Name, ProgressKind

if TYPE_CHECKING:
    from pipeline.gallery.gallery import Gallery

Who = Annotated[str, typer.Argument(help="The identity's name")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="A picture of the gallery; repeated")]
File = Annotated[Path | None, typer.Option(help="A picture file, which is taken into the gallery first")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, …")]

identity = typer.Typer(no_args_is_help=True, help="Name what pictures show, from a single picture on.")


def register(app: typer.Typer) -> None:
    app.add_typer(identity, name="identity")


@identity.command()
def add(
    name: Name, who: Who, id: Ids = None, picture: File = None, device: Device = "", progress: ProgressKind = "auto"
) -> None:
    """A new identity. A name that exists is refused; `extend` gives it more pictures."""
    from pipeline.recognition import identities

    gallery = _gallery(name)
    who = identities.check_new(gallery, who)  # before a picture is taken in for it
    ids = _picture_ids(gallery, id, picture, device, progress)
    identities.add(gallery, who, ids)
    print(f"{name}: {who!r} is known by {identities.picture_count(len(ids))}; undo: {_command(name, 'remove', who)}")


@identity.command()
def extend(
    name: Name, who: Who, id: Ids = None, picture: File = None, device: Device = "", progress: ProgressKind = "auto"
) -> None:
    """More pictures for an identity that exists."""
    from pipeline.recognition import identities

    gallery = _gallery(name)
    identities.pictures_of(gallery, who)
    ids = _picture_ids(gallery, id, picture, device, progress)
    identities.extend(gallery, who, ids)
    count = identities.picture_count(len(identities.pictures_of(gallery, who)))
    print(f"{name}: {who!r} is known by {count}; undo: {_command(name, 'remove', who, ids)}")


@identity.command()
def remove(name: Name, who: Who, id: Ids = None) -> None:
    """Forget an identity, or take pictures from it; they stay in the gallery."""
    from pipeline.recognition import identities

    gallery = _gallery(name)
    taken = identities.remove(gallery, who, id or [])
    verb = "extend" if who in identities.identities(gallery) else "add"
    print(
        f"{name}: {identities.picture_count(len(taken))} taken from {who!r}; undo: {_command(name, verb, who, taken)}"
    )


@identity.command("list")
def list_(name: Name, as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout")] = False) -> None:
    """Names and their pictures, in the order they were given."""
    from pipeline.recognition import identities

    by_name = identities.identities(_gallery(name))
    if as_json:
        print(json.dumps(by_name, ensure_ascii=False))
        return
    for who, ids in by_name.items():
        print(f"{who:30s}  {identities.picture_count(len(ids))}  {' '.join(ids[:3])}{' …' if len(ids) > 3 else ''}")
    if not by_name:
        print(f"{name} has no identity yet; make one: {_command(name, 'add', 'NAME')} --id ID", file=sys.stderr)


def _gallery(name: str) -> Gallery:
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    return open_gallery(name, Settings())


def _command(name: str, verb: str, who: str, ids: list[str] | None = None) -> str:
    options = [part for picture in ids or [] for part in ("--id", picture)]
    return shlex.join(["python", "-m", "pipeline", "identity", verb, name, who, *options])


def _picture_ids(
    gallery: Gallery, ids: list[str] | None, picture: Path | None, device: str, progress: str
) -> list[str]:
    """The ids; a file is ingested first."""
    import contextlib

    from pipeline.errors import StoreError, UsageError
    from pipeline.ingest import sync
    from pipeline.progress import shown
    from pipeline.recognition import enrolment
    from pipeline.settings import Settings

    if bool(ids) == bool(picture):
        raise UsageError("say which picture: --id ID of one of the gallery, or --picture FILE")
    if picture is None:
        return list(dict.fromkeys(ids or []))
    settings = Settings()
    with contextlib.ExitStack() as stack:
        try:
            store = stack.enter_context(contextlib.closing(sync.open_store(settings)))
        except StoreError as error:
            print(
                f"{error}. The picture is committed; an open app, or sync, brings the index up to date", file=sys.stderr
            )
            store = None
        show = stack.enter_context(shown(progress))
        return [enrolment.enrol(gallery, picture, store=store, device=device or settings.device, progress=show)]
