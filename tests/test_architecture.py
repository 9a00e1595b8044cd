"""Who may import whom, what may be loaded when, and how long a file may be: read from the source, nothing imported."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rooms import (
    BASE,
    MODULES,
    PAGES,
    PLUGIN_FOLDERS,
    ROW,
    VERBS,
    Import,
    circles,
    graph,
    house,
    imports,
    module_name,
    package_of,
    product_files,
)

from pipeline import ROOT

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
HEAVY |= {"av", "cv2", "fsspec", "pymongo", "bson", "pycocotools", "open_clip", "transformers"}
LIGHT_IN_THE_APP = {"pandas", "plotly", "streamlit"}
NEVER_IN_THE_APP = {"torch", "torchvision", "timm", "pymilvus", "milvus_lite", "umap", "sklearn", "openTSNE"}

TORCH_MODULES = {
    "pipeline.networks.deep_ranking",
    "pipeline.networks.from_pixels",
    "pipeline.networks.maps",
    "pipeline.networks.pooling",
    "pipeline.networks.small_resnet",
}  # classes; imported when built
VISITOR = "benchmarks.streamlit_client"  # speaks the app's protocol from outside
LONGEST = 300
# Over the limit: the most lines each may have, which only ever falls, and the idea that wants a file of its own.
LONGER: dict[str, tuple[int, str]] = {}
NAMELESS = {"utils", "util", "common", "helpers", "helper", "misc", "manager", "managers"}
MACHINE_PATH = re.compile(r"(?<![\w.\]}*-])/(?:(?:work|root|tmp|opt)(?![\w-])|home/(?!me\b)\w)")


def documents() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "Makefile", ROOT / ".ci" / "run"]


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
    ours, theirs = package_of(module), package_of(one.name)
    if package in ("training", "benchmarks") or not theirs or one.name in ("pipeline", "app"):
        return ""
    if not one.typing:
        if ROW[theirs] > ROW[ours]:
            return f"{theirs} stands above {ours}"
        if ours != theirs and {ours, theirs} <= set(VERBS):
            return "the verbs never import each other; what two of them need sinks to a row below them"
        if ours != theirs and {ours, theirs} <= set(PAGES):
            return "a page imports no other page; what two of them need sinks to app/widgets"
    folder, other = _plugin_folder(module), _plugin_folder(one.name)
    if folder and other and (folder != other or not _is_shared(one.name)):
        return "a plugin imports no other plugin, only files of its folder that begin with _"
    named_by_file = {
        "pipeline.stores._password": {"deploy.first_start"},  # changes it before the app connects
        "pipeline.stores.milvus": {"pipeline.cli.commands.doctor"},  # asks who holds the file, without opening it
        "pipeline.stores._import_files": {"pipeline.exchange.exchange"},  # for a server that need not be there
    }
    if other and not folder and module not in named_by_file.get(one.name, set()):
        return "plugins are made by plugins.build, from their name"
    if package == "app" and theirs == "cli":
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


def _is_shared(module: str) -> bool:
    return any(part.startswith("_") for part in module.split(".")[2:])


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_the_table_allows(module: str) -> None:
    assert faults(module, MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("pipeline.gallery.gallery", "from pipeline.search import search", "search stands above gallery"),
        ("pipeline.readings", "def f():\n    import pipeline.images.opening", "images stands above base"),
        ("pipeline.images.opening", "from pipeline.gallery import opening", "gallery stands above images"),
        ("pipeline.search.search", "from app.server import store", "app.server stands above search"),
        ("pipeline.search.search", "from pipeline.cli.commands.search import search", "cli stands above search"),
        ("pipeline.search.search", "from pipeline.ingest import sync", "verbs never import each other"),
        (
            "pipeline.evaluation.evaluate",
            "def f():\n    from pipeline.analysis import outliers",
            "sinks to a row below",
        ),
        (
            "pipeline.recognition.enrolment",
            "from pipeline.hard_cases import case",
            "hard_cases stands above recognition",
        ),
        ("app.server.jobs", "import streamlit_app", "streamlit_app stands above app.server"),
        ("app.server.jobs", "from app.widgets import charts", "app.widgets stands above app.server"),
        ("app.widgets.charts", "from app.search import query_state", "app.search stands above app.widgets"),
        ("app.explore.map", "from app.evaluate import charts", "a page imports no other page"),
        ("app.explore.map", "from app.views import search", "app.views stands above app.explore"),
        ("pipeline.cli.commands.demo", "from deploy import healthy", "deploy stands above cli"),
        ("pipeline.encoders.pca", "from pipeline.encoders import timm", "imports no other plugin"),
        ("pipeline.encoders.pca", "from pipeline.encoders.timm import build", "imports no other plugin"),
        ("pipeline.encoders.pca", "from pipeline.stores import _wire", "imports no other plugin"),
        ("pipeline.search.search", "from pipeline.encoders.timm import build", "made by plugins.build"),
        ("app.views.search", "from pipeline.cli.commands import search", "as a child"),
        ("pipeline.search.search", "def f():\n    import training.loop.loop", "never the reverse"),
        ("app.main", "import training.loop.loop", "training.runs only"),
        ("app.main", "from training.sampling import triplets", "training.runs only"),
        ("training.loop.loop", "from app.server import jobs", "does not know the app"),
        ("training.loop.loop", "import streamlit_app", "does not know the app"),
        ("training.runs", "import torch", "inside the function"),
        ("pipeline.search.search", "def f():\n    import streamlit as st", "streamlit belongs to app/"),
        ("pipeline.search.search", "def f():\n    from pymilvus import MilvusClient", "pipeline/stores/ only"),
        ("app.views.search", "def f():\n    import torch", "a page calls a pipeline function"),
        ("pipeline.search.search", "import torch", "inside the function"),
        ("pipeline.search.search", "class A:\n    import pandas as pd", "inside the function"),
        (
            "pipeline.search.search",
            "try:\n    import sklearn.cluster\nexcept ImportError:\n    pass",
            "inside the function",
        ),
        ("app.widgets.charts", "import pyarrow", "inside the function"),
        ("pipeline.search.search", "from . import query", "whole name"),
    ],
)
def test_a_module_that_breaks_a_rule_is_found(module: str, source: str, fault: str) -> None:
    [found] = faults(module, source)
    assert fault in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pipeline.records", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas as pd"),
        ("pipeline.search.search", "def f():\n    import torch"),
        ("pipeline.stores.milvus", "from pipeline.stores import _wire\ndef f():\n    import pymilvus"),
        ("pipeline.indexes.milvus", "def f():\n    import pymilvus"),
        ("app.widgets.charts", "import pandas as pd\nimport streamlit as st\nfrom pipeline.search import search"),
        ("pipeline.ingest.a_new_file", "from pipeline import plugins\nfrom pipeline.gallery import opening"),
        ("training.loop.loop", "import torch\nfrom pipeline.gallery import gallery"),
        ("app.views.training", "from training import runs\nfrom training.runs import Run"),
        ("deploy.first_start", "from pipeline.errors import SemblanceError"),
    ],
)
def test_a_module_that_keeps_the_rules_passes(module: str, source: str) -> None:
    assert faults(module, source) == []


def test_only_base_modules_lie_flat() -> None:
    flat = {path.stem for path in (ROOT / "pipeline").glob("*.py")}
    assert flat == {"__init__", "__main__", *BASE}
    assert {path.stem for path in (ROOT / "app").glob("*.py")} == {"__init__", "main"}
    assert {path.stem for path in (ROOT / "training").glob("*.py")} == {"__init__", "__main__", "recipes", "runs"}


def test_every_package_stands_in_the_table_and_says_its_idea() -> None:
    for folder in [*(ROOT / "pipeline").iterdir(), *(ROOT / "app").iterdir(), *(ROOT / "training").iterdir()]:
        if folder.is_dir() and any(folder.glob("*.py")):
            name = module_name(folder / "__init__.py")
            assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))), name
            assert name.startswith("training.") or package_of(f"{name}.x") not in ("", "base"), f"{name} has no row"


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles(house()) == []


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({"a": "import b", "b": "import a"}, [["a", "b"]]),
        ({"a": "import b", "b": "def f():\n    import c", "c": "import a", "d": "import a"}, [["a", "b", "c"]]),
        ({"a": "import b", "b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a"}, []),
        ({"a": "import b\nimport c", "b": "import c", "c": "import numpy"}, []),
    ],
)
def test_a_circle_of_files_is_found(sources: dict[str, str], found: list[list[str]]) -> None:
    assert circles(graph(sources)) == found


def test_the_command_line_loads_no_library_but_typer_before_its_verb() -> None:
    rooms = [module for module in MODULES if module.startswith("pipeline.cli.commands.")]  # the console loads every one
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
    assert {"pipeline.cli.commands.search", "pipeline.cli.console"} <= reached


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
