"""The rooms of the house as a table, and the imports between them, read from the source; nothing is imported.

python -m tests.rooms      # the picture in docs/architecture.md, as Mermaid
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline import ROOT

# The only modules that lie flat in pipeline/: what every package may use.
BASE = ("errors", "settings", "records", "plugins", "fingerprints", "logs", "progress")
BASE += ("devices", "parallel", "ctrl_c", "schema", "readings")
VERBS = ("ingest", "search", "analysis", "duplicates", "evaluation", "comparison", "explain", "exchange")
PLUGIN_FOLDERS = ("encoders", "datasets", "stores", "indexes", "projections", "detectors", "rerank")

# From the bottom up: a package imports from its own row and from rows above it in this list, never from one below;
# the verbs, the app's pages and the ways in never import each other.
ROWS: list[tuple[str, ...]] = [
    ("base",),
    ("filters",),
    ("files", "features", "metrics", "stores", "indexes", "rerank", "kinds"),
    ("images", "networks", "projections"),
    ("gallery", "annotations", "encoders", "access", "films"),
    ("datasets", "detectors", *VERBS),
    ("recognition", "detection"),
    ("hard_cases",),
    ("cli",),
    ("app.server",),
    ("app.api",),
    ("app.widgets",),
    ("app.search",),
    ("app.explore", "app.evaluate", "app.hard_cases", "app.pairs", "app.galleries", "app.indexes", "app.training_runs"),
    ("app.views",),
    ("app.main",),
    ("streamlit_app",),
    ("deploy",),
]
ROW = {package: row for row, packages in enumerate(ROWS) for package in packages}
PAGES = ROWS[ROW["app.explore"]]


@dataclass(frozen=True)
class Import:
    """One imported module, absolute. at_top: it happens when the file is loaded. typing: for the type checker only."""

    name: str
    line: int
    at_top: bool
    typing: bool

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]


def product_files() -> list[Path]:
    files = [ROOT / "streamlit_app.py"]
    for folder in ("pipeline", "app", "training", "benchmarks", "deploy"):
        files += sorted((ROOT / folder).rglob("*.py"))
    return files


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_name(path): path for path in product_files()}


def imports(tree: ast.AST, *, at_top: bool = True, typing: bool = False) -> Iterator[Import]:
    """Every import of a file; `from pipeline.search import query` is an import of pipeline.search.query."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, at_top, typing) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(inner if inner in MODULES else base, node.lineno, at_top, typing)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from imports(ast.Module(node.body, []), at_top=at_top, typing=True)
            yield from imports(ast.Module(node.orelse, []), at_top=at_top, typing=typing)
        else:
            in_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(node, at_top=at_top and not in_function, typing=typing)


def package_of(module: str) -> str:
    """The package of the table a module belongs to: `pipeline.search.query` is of search; '' where the table is silent."""
    top, *rest = module.split(".")
    if top == "pipeline":
        if rest[:1] == ["__main__"]:
            return "cli"
        return rest[0] if rest and rest[0] in ROW else "base"
    if top == "app" and rest:
        return f"app.{rest[0]}"
    return top if top in ROW else ""


def graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """module to the modules of `sources` that it imports, also inside functions; imports for types alone left out."""
    found = {}
    for module, source in sources.items():
        named = {one.name for one in imports(ast.parse(source)) if not one.typing}
        found[module] = (named & set(sources)) - {module}
    return found


def circles(imported: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of modules each of which reaches the others by imports: none in a healthy house (Tarjan's algorithm)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    groups = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        path.append(module)
        for other in imported[module]:
            if other not in number:
                visit(other)
            if other in path:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == number[module]:
            group = path[path.index(module) :]
            del path[path.index(module) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for module in imported:
        if module not in number:
            visit(module)
    return sorted(groups)


def house() -> dict[str, set[str]]:
    """`graph` of every product file."""
    return graph({name: path.read_text(encoding="utf-8") for name, path in MODULES.items()})


def mermaid() -> str:
    """The rows of pipeline/ from the top down. An arrow that others already imply is left out, and so is base."""
    arrows: dict[str, set[str]] = {}
    for module, others in house().items():
        package = package_of(module)
        if package in ROW and package != "base" and ROW[package] < ROW["cli"]:
            arrows.setdefault(package, set()).update(set(map(package_of, others)) - {package, "base", ""})
    below: dict[str, set[str]] = {}
    for package in sorted(arrows, key=ROW.__getitem__):
        below[package] = arrows[package].union(*(below[other] for other in arrows[package]))
    lines = ["flowchart TD"]
    for row in reversed(ROWS[1 : ROW["cli"]]):
        present = [package for package in row if package in arrows]
        lines += [f"  subgraph row{ROW[present[0]]}[ ]", *(f"    {package}" for package in present), "  end"]
    for package in sorted(arrows, key=lambda name: (-ROW[name], name)):
        implied = set().union(*(below[other] for other in arrows[package]))
        lines += [f"  {package} --> {' & '.join(direct)}" for direct in [sorted(arrows[package] - implied)] if direct]
    return "\n".join(lines)


if __name__ == "__main__":
    print(mermaid())
