"""subset: a new gallery of some pictures of another."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.console import Name, each, fill_index


def register(app: typer.Typer) -> None:
    app.command()(subset)


def subset(
    name: Name,
    new: Annotated[str, typer.Argument(help="The new gallery: a-z, 0-9, _")],
    ids: Annotated[
        list[str] | None, typer.Option("--ids", help="Ids of pictures, repeated or separated by commas")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Those that have this tag, or one of several")] = None,
    where: Annotated[list[str] | None, typer.Option("--where", help="Those that pass: FIELD=VALUE, repeated")] = None,
    title: Annotated[str, typer.Option(help="Shown in the app")] = "",
) -> None:
    """Make a new gallery of some pictures of another; nothing is encoded, and files stay where they are."""
    from pipeline.errors import UsageError
    from pipeline.exchange.subset import subset as make
    from pipeline.filters import mask, parse
    from pipeline.gallery import tags
    from pipeline.gallery.asked import settled
    from pipeline.gallery.opening import open_gallery
    from pipeline.settings import Settings

    settings = Settings()
    source = open_gallery(name, settings)
    if not (ids or tag or where):
        raise UsageError("say which pictures: --ids ID,ID…, --tag TAG or --where FIELD=VALUE")
    chosen = set(each(ids or []))
    tagged = tags.tags(source)
    if unknown := [one for one in tag or [] if one not in tagged]:
        raise UsageError(f"no picture of {name} has the tag {unknown[0]!r}; there are {', '.join(tagged) or 'none'}")
    chosen |= {picture for one in tag or [] for picture in tagged[one]}
    if where:
        table = source.table()
        passing = set(table.loc[mask(settled(parse(where), source, lambda: table), table).to_numpy(bool), "id"])
        chosen = chosen & passing if ids or tag else passing
        if not chosen:
            raise UsageError(f"no picture of {name} passes {' and '.join(where)}")
    gallery = make(source, new, chosen, settings, title=title)
    print(f"{new}: {gallery.count():,} of the {source.count():,} pictures of {name}")
    fill_index(gallery, settings)
