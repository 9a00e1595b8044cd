"""Who may import whom, what may be loaded when, and how long a file may be: read from the source, nothing imported."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import ROOT

PLUGIN_FOLDERS = ("encoders", "datasets", "stores", "indexes", "projections", "detectors")

# From the bottom up: a module imports from its own row and from rows above it in this list, never from one below.
# A module of pipeline/ that is not named here works on galleries, so it belongs to "verbs".
LAYERS: list[tuple[str, tuple[str, ...]]] = [
    ("words", ("__init__", "errors", "records", "filters", "fingerprints")),
    (
        "tools",
        (
            *(
                "settings",
                "logs",
                "plugins",
                "atomic",
                "sealed",
                "thumbnail_files",
                "progress",
                "devices",
                "ctrl_c",
                "parallel",
            ),
            *("images", "uploads", "picture_files", "downloads", "archives"),
            *("regions", "picture_sizes"),
            *("annotations", "annotation_formats", "annotation_masks"),
        ),
    ),
    ("rooms", ("networks", "render", "evaluation", "appearance", "relevance", "pca_fit")),
    ("plugins", PLUGIN_FOLDERS),
    ("gallery", ("gallery", "judgments", "ledgers", "parts", "originals", "calibration", "reports")),
    ("verbs", ()),
    ("ways in", ("demo", "doctor", "commands", "console", "__main__")),
    ("app", ("app",)),
    ("entry", ("streamlit_app",)),
]
LEVEL = {name: level for level, (_, names) in enumerate(LAYERS) for name in names}
VERBS = [layer for layer, _ in LAYERS].index("verbs")

HEAVY = {"torch", "torchvision", "timm", "huggingface_hub", "pymilvus", "milvus_lite", "grpc", "pandas", "pyarrow"}
HEAVY |= {
    "sklearn",
    "scipy",
    "umap",
    "openTSNE",
    "faiss",
    "annoy",
    "nmslib",
    "ngtpy",
    "plotly",
    "streamlit",
    "ray",
    "ignite",
}
HEAVY |= {"pymongo", "bson", "pycocotools", "open_clip", "transformers"}
LIGHT_IN_THE_APP = {"pandas", "plotly", "streamlit"}
NEVER_IN_THE_APP = {"torch", "torchvision", "timm", "pymilvus", "milvus_lite", "umap", "sklearn", "openTSNE"}

TORCH_MODULES = {"pipeline.networks.deep_ranking", "pipeline.networks.small_resnet"}  # classes; imported when built
VISITOR = "benchmarks.streamlit_client"  # speaks the app's protocol from outside
LONGEST = 300
# Over the limit: the most lines each may have, which only ever falls, and the idea that wants a file of its own.
LONGER: dict[str, tuple[int, str]] = {}
NAMELESS = {"utils", "util", "common", "helpers", "helper", "misc", "manager", "managers"}
MACHINE_PATH = re.compile(r"(?<![\w.\]}*-])/(?:(?:work|root|tmp|opt)(?![\w-])|home/(?!me\b)\w)")


def product_files() -> list[Path]:
    found = [ROOT / "streamlit_app.py"]
    for folder in ("pipeline", "app", "training", "benchmarks"):
        found += sorted((ROOT / folder).rglob("*.py"))
    return found


def documents() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "Makefile", ROOT / ".ci" / "run"]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_name(path): path for path in product_files()}


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


def imports(tree: ast.AST, *, at_top: bool = True, typing: bool = False) -> Iterator[Import]:
    """Every import of a file; `from pipeline import search` is an import of pipeline.search."""
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


def level_of(module: str) -> int:
    package, _, rest = module.partition(".")
    return LEVEL[package] if package in LEVEL else LEVEL.get(rest.partition(".")[0] or "__init__", VERBS)


def faults(module: str, source: str) -> list[str]:
    """One sentence for each import that the table of layers, or a rule below it, forbids."""
    found = []
    for one in imports(ast.parse(source)):
        for fault in (_layer_fault(module, one), _library_fault(module, one)):
            if fault:
                found.append(f"{module}:{one.line} imports {one.name}: {fault}")
    return found


def _layer_fault(module: str, one: Import) -> str:
    package = module.partition(".")[0]
    if one.name.startswith("."):
        return "write the whole name"
    if one.package == "training" and package == "pipeline":
        return "training builds on pipeline, never the reverse"
    if one.package == "training" and package == "app" and one.name != "training.runs":
        return "the app reads run folders through training.runs only"
    if one.package in ("app", "streamlit_app") and package == "training":
        return "training does not know the app"
    if one.package not in ("pipeline", "app", "streamlit_app") or package in ("training", "benchmarks"):
        return ""
    if not one.typing and level_of(one.name) > level_of(module):
        return f"that belongs to {LAYERS[level_of(one.name)][0]}, above {LAYERS[level_of(module)][0]}"
    folder, other = _plugin_folder(module), _plugin_folder(one.name)
    if folder and other and (folder != other or not _is_room(one.name)):
        return "a plugin imports no other plugin, only files of its folder that begin with _"
    named_by_file = {
        "pipeline.stores.milvus": {"pipeline.doctor"},  # asks who holds the file, without opening it
        "pipeline.stores._import_files": {"pipeline.milvus_import"},  # writes for a server that need not be there
    }
    if other and not folder and module not in named_by_file.get(one.name, set()):
        return "plugins are made by plugins.build, from their name"
    if package == "app" and level_of(one.name) == LEVEL["commands"]:
        return "the app starts `python -m pipeline` as a child, or calls what the command line calls"
    return ""


def _library_fault(module: str, one: Import) -> str:
    package = module.partition(".")[0]
    if one.package == "streamlit" and package not in ("app", "streamlit_app") and module != VISITOR:
        return "streamlit belongs to app/ and streamlit_app.py"
    if one.package in ("pymilvus", "milvus_lite") and package != "benchmarks" and not _speaks_to_milvus(module):
        return "Milvus is spoken to in pipeline/stores/ only, and by the index that is compared"
    if package in ("app", "streamlit_app") and one.package in NEVER_IN_THE_APP:
        return "a page calls a pipeline function and draws"
    heavy = {"pipeline": HEAVY, "app": HEAVY - LIGHT_IN_THE_APP, "streamlit_app": HEAVY - LIGHT_IN_THE_APP}
    heavy |= {"training.runs": HEAVY}  # the app reads run folders with it
    if module in TORCH_MODULES and one.package == "torch":
        return ""
    if one.at_top and not one.typing and one.package in heavy.get(module, heavy.get(package, ())):
        return "import it inside the function that needs it"
    return ""


def _plugin_folder(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 2 and parts[0] == "pipeline" and parts[1] in PLUGIN_FOLDERS else ""


def _speaks_to_milvus(module: str) -> bool:
    return _plugin_folder(module) == "stores" or module == "pipeline.indexes.milvus"


def _is_room(module: str) -> bool:
    return module.rpartition(".")[2].startswith("_")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_the_table_allows(module: str) -> None:
    assert faults(module, MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("pipeline.gallery.gallery", "from pipeline import search", "belongs to verbs, above gallery"),
        ("pipeline.filters", "def f():\n    import pipeline.images.decoding", "belongs to tools, above words"),
        ("pipeline.search", "from app import index", "belongs to app"),
        ("pipeline.search", "from pipeline.commands.look import search", "belongs to ways in"),
        ("app.jobs", "import streamlit_app", "belongs to entry"),
        ("pipeline.encoders.pca", "from pipeline.encoders import timm", "imports no other plugin"),
        ("pipeline.encoders.pca", "from pipeline.encoders.timm import build", "imports no other plugin"),
        ("pipeline.encoders.pca", "from pipeline.stores import _wire", "imports no other plugin"),
        ("pipeline.search", "from pipeline.encoders.timm import build", "made by plugins.build"),
        ("app.views.search", "from pipeline.commands import look", "as a child"),
        ("pipeline.search", "def f():\n    import training.loop", "never the reverse"),
        ("app.main", "import training.loop", "training.runs only"),
        ("app.main", "from training import triplets", "training.runs only"),
        ("training.loop", "from app import jobs", "does not know the app"),
        ("training.loop", "import streamlit_app", "does not know the app"),
        ("training.runs", "import torch", "inside the function"),
        ("pipeline.search", "def f():\n    import streamlit as st", "streamlit belongs to app/"),
        ("pipeline.search", "def f():\n    from pymilvus import MilvusClient", "pipeline/stores/ only"),
        ("app.views.search", "def f():\n    import torch", "a page calls a pipeline function"),
        ("pipeline.search", "import torch", "inside the function"),
        ("pipeline.search", "class A:\n    import pandas as pd", "inside the function"),
        ("pipeline.search", "try:\n    import sklearn.cluster\nexcept ImportError:\n    pass", "inside the function"),
        ("app.charts", "import pyarrow", "inside the function"),
        ("pipeline.search", "from . import gallery", "whole name"),
    ],
)
def test_a_module_that_breaks_a_rule_is_found(module: str, source: str, fault: str) -> None:
    [found] = faults(module, source)
    assert fault in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pipeline.records", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas as pd"),
        ("pipeline.search", "def f():\n    import torch"),
        ("pipeline.stores.milvus", "from pipeline.stores import _wire\ndef f():\n    import pymilvus"),
        ("pipeline.indexes.milvus", "def f():\n    import pymilvus"),
        ("app.charts", "import pandas as pd\nimport streamlit as st\nfrom pipeline import search"),
        ("pipeline.a_new_verb", "from pipeline.gallery.gallery import gallery; from pipeline import plugins, sync"),
        ("training.loop", "import torch\nfrom pipeline.gallery.gallery import gallery"),
        ("app.views.training", "from training import runs\nfrom training.runs import Run"),
    ],
)
def test_a_module_that_keeps_the_rules_passes(module: str, source: str) -> None:
    assert faults(module, source) == []


def test_the_command_line_loads_no_library_but_typer_before_its_verb() -> None:
    rooms = [module for module in MODULES if module.startswith("pipeline.commands.")]  # the console loads every one
    reached, waiting = set(), ["pipeline.__main__", *rooms]
    while waiting:
        module = waiting.pop()
        reached.add(module)
        for one in imports(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
            if not one.at_top or one.typing:
                continue
            if one.package == "pipeline":
                waiting += [one.name] if one.name not in reached else []
            else:
                assert one.package in {*sys.stdlib_module_names, "typer"}, f"{module} loads {one.name}"
    assert {"pipeline.commands.look", "pipeline.console"} <= reached


@pytest.mark.parametrize("module", MODULES)
def test_a_file_holds_one_idea(module: str) -> None:
    path = MODULES[module]
    short = path.relative_to(ROOT).as_posix()
    lines = len(path.read_text(encoding="utf-8").splitlines())
    most, idea = LONGER.get(short, (LONGEST, "one of its ideas"))
    assert lines <= most, f"{short} has {lines} lines and may have {most}; move {idea} to a file of its own"


def test_no_file_or_folder_is_called_after_nothing() -> None:
    names = {part for path in product_files() for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not names & NAMELESS


def machine_paths(text: str) -> list[str]:
    return MACHINE_PATH.findall(text)


@pytest.mark.parametrize("path", [*product_files(), *documents()], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_path_of_one_machine_is_written_down(path: Path) -> None:
    assert machine_paths(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", ["/work/main", 'Path("/tmp/x")', "in /root.", "/home/anna/pictures", "cd /tmp"])
def test_a_machines_path_is_found(text: str) -> None:
    assert machine_paths(text)


@pytest.mark.parametrize(
    "text", ["/home/me/pictures", "docs/work/x", "~/photos", "/app/static/root", "/worker", "a/tmp"]
)
def test_other_paths_are_left_alone(text: str) -> None:
    assert not machine_paths(text)


def test_the_apps_own_process_stays_light() -> None:
    """Maps and clusters are computed by child processes: their libraries never load beside the pages."""
    code = (
        "import importlib, pkgutil, sys, app\n"
        "for module in pkgutil.iter_modules(app.__path__, 'app.'): importlib.import_module(module.name)\n"
        "import streamlit_app, torch\n"
        "print([name for name in ('umap', 'sklearn', 'openTSNE', 'numba') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stdout.strip().splitlines()[-1:] == ["[]"], ran.stdout + ran.stderr
