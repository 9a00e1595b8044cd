"""What every test shares: where the real photos are, and a home of its own."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pipeline import ROOT

hypothesis.settings.register_profile("no clock", deadline=None)  # a busy machine takes its time, and that is no fault
hypothesis.settings.load_profile("no clock")

# a worker holds gigabytes that never become garbage, and the usual 700 look at all of them often
gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def clothing() -> Path:
    """The 3,781 real photos, `{train,validation,test}/LABEL/*.jpg`."""
    data = Path(os.environ.get("SEMBLANCE_TEST_DATA", ROOT.parent / "shared" / "data"))
    root = data / "clothing"
    if not root.is_dir():
        pytest.skip(f"no photos at {root}; set SEMBLANCE_TEST_DATA to the folder that holds clothing/")
    return root


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty SEMBLANCE_HOME."""
    monkeypatch.setenv("SEMBLANCE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SEMBLANCE_MILVUS_URI", raising=False)
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """A tested page becomes `__main__`, and every process that a later test starts would read that page's file first.

    Not by monkeypatch: asked for here, a test's patches would outlive its folders.
    """
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small networks on small batches: several threads would wait for each other more than they work."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`: one worker has all tests in a browser or on a Milvus server, because two browsers, two apps and
    two servers are too much for two cores; and what takes long begins first, so that no worker waits for the other's end."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # it begins with the files of the most tests, however short they are

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return "browser" if file.startswith("tests/browser/") or _on_a_server(file) else file

    return Scheduling(config, log)


@functools.cache
def _on_a_server(file: str) -> bool:
    return '"milvus_server"' in (ROOT / file).read_text(encoding="utf-8")


LONG = ("browser", "training", "pages", "test_old_home", "api")
"""Folders and files whose tests take long, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only where workers share them, and each file's tests stay together in their order."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        places = {name: number for number, name in enumerate(LONG)}

        def place(item: pytest.Item) -> int:
            first = item.nodeid.removeprefix("tests/").partition("/")[0].partition(".py")[0]
            return places.get(first, len(places))

        items.sort(key=place)
