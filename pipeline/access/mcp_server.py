"""The tools of agents as an MCP server (Model Context Protocol), by the official package `mcp`, which is optional."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

from pipeline import __version__
from pipeline.access.agent_tools import AgentTools, Said
from pipeline.access.client import Problem
from pipeline.errors import SemblanceError, UsageError

LOOKING = ("galleries", "sample", "search", "similar", "find", "explain", "hard_cases", "export")
CHANGING = ("tag", "label", "restore")  # each answer says what takes it back
DESTROYING = ("remove",)  # asks for a word first
INSTRUCTIONS = (
    "Semblance searches pictures by pictures and words. Begin with `galleries`, then `sample` to see what a gallery holds. "
    "Pictures are named by the first digits of their ids; contact sheets carry the same numbers and ids. Scores are cosines: "
    "higher is closer. Lists are cut to what fits and say how to go on. `find` looks through a whole gallery for duplicates, "
    "clusters, label errors or outliers. `hard_cases` shows pictures like a detector's failures. `remove` asks for confirmation."
)


def mcp_server(tools: AgentTools) -> Any:
    """An `mcp.server.MCPServer` with every tool. UsageError where the package is not installed."""
    try:
        from mcp.server import MCPServer
        from mcp.types import ToolAnnotations
    except ImportError:
        raise UsageError(
            "agents are spoken to with the package mcp, which is not installed: pip install 'mcp>=2.3,<3'"
        ) from None
    server = MCPServer("semblance", instructions=INSTRUCTIONS, version=__version__, log_level="ERROR")
    for name in (*LOOKING, *CHANGING, *DESTROYING):
        hints = ToolAnnotations(
            read_only_hint=name in LOOKING,
            destructive_hint=name in DESTROYING,
            idempotent_hint=True,
            open_world_hint=False,
        )
        server.add_tool(_told(getattr(tools, name)), name=name, annotations=hints, structured_output=False)
    return server


def _told(tool: Callable[..., Said]) -> Callable[..., list[Any]]:
    """The tool, its answer as text and picture, and whatever an agent can cause as a sentence."""
    from mcp.server.mcpserver import Image
    from mcp.server.mcpserver.exceptions import ToolError

    @functools.wraps(tool)
    def told(**given: Any) -> list[Any]:
        try:
            said = tool(**given)
        except (SemblanceError, Problem) as error:
            raise ToolError(str(error)) from None
        except OSError:
            raise ToolError("Semblance does not answer; start it with: python -m pipeline serve") from None
        except Exception as error:  # the SDK would tell the agent what it says, which may name a path
            logging.getLogger("semblance").error("tool failed", exc_info=error)
            raise ToolError("something went wrong here; nothing of a gallery was lost") from None
        return [said.text, *([Image(data=said.sheet, format="jpeg")] if said.sheet else [])]

    signature = inspect.signature(tool, eval_str=True)
    annotations = {name: one.annotation for name, one in signature.parameters.items()} | {"return": list}
    shape = {"__signature__": signature.replace(return_annotation=list), "__annotations__": annotations}
    vars(told).pop("__wrapped__")  # else the SDK would look at the types of the tool itself
    for name, value in shape.items():
        setattr(told, name, value)
    return told
