"""tokens: who may use the HTTP API, and for what."""

from __future__ import annotations

from typing import Annotated

import typer

verbs = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(verbs, name="tokens", help="Tokens that let programs use the HTTP API.")


@verbs.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Who gets it, such as shop or notebook", metavar="NAME")],
    scope: Annotated[
        str, typer.Option(help="read; write: change pictures and start jobs; admin: make and delete")
    ] = "read",
) -> None:
    """Make a token and print it, once: only its digest is kept."""
    from pipeline.access import tokens
    from pipeline.settings import Settings

    print(tokens.add(Settings().home, name, scope))


@verbs.command("list")
def list_tokens() -> None:
    """Names, scopes and when each was made."""
    from pipeline.access import tokens
    from pipeline.settings import Settings

    for one in tokens.read(Settings().home):
        print(f"{one.name:24s} {one.scope:6s} {one.made}")


@verbs.command("revoke")
def revoke(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Take a token back; the next request with it is refused."""
    from pipeline.access import tokens
    from pipeline.settings import Settings

    tokens.revoke(Settings().home, name)
    print(f"{name} is revoked")
