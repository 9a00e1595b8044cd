"""Arguments and options that several verbs take, each said once."""

from __future__ import annotations

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="Gallery: a-z, 0-9, _", metavar="NAME")]
ProgressKind = Annotated[str, typer.Option("--progress", help="auto, json (one object a line) or none")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, …")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout")]
To = Annotated[
    str, typer.Option(help="Another Milvus: http://…, or a path ending in .db; default is the configured one")
]
Ids = Annotated[list[str], typer.Option("--ids", help="Ids of pictures, repeated or separated by commas")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask")]
