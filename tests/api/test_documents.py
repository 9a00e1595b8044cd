"""docs/api.md is run as it is written, against a server that `python -m pipeline serve` started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from exposed_app import free_port
from tiny_gallery import SPEC, photos, process, run

from app.api.problems import KINDS
from pipeline import ROOT

TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Served:
    address: str
    home: Path
    folder: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    home, port = folder / "home", free_port()
    environment = {"SEMBLANCE_HOME": str(home), "SEMBLANCE_MILVUS_URI": ""}
    dataset = f"folder:root={photos(folder / 'pictures', 9)}"
    words = ("ingest", "my_photos", "--dataset", dataset, "--encoder", SPEC, "--progress", "none")
    assert run(*words, env=environment).returncode == 0
    command = (sys.executable, "-m", "pipeline", "serve", "--port", str(port))
    with process(*command, env=os.environ | environment) as child:
        line = child.stdout.readline() if child.stdout else ""
        address = re.findall(r"http://\S+", line)[0].rstrip("/")
        for _ in range(300):
            assert child.poll() is None
            try:
                urllib.request.urlopen(address, timeout=2)
                break
            except OSError:
                time.sleep(0.2)
        yield Served(address, home, folder)
        child.terminate()  # the verb passes it on
        child.wait(20)


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.split("\n")[1][:40])
def test_the_lines_of_a_block_are_answered(served: Served, block: str) -> None:
    shutil.copy(served.folder / "pictures" / "cup" / "000.png", served.folder / "query.jpg")
    with urllib.request.urlopen(f"{served.address}/galleries/my_photos/pictures") as answer:
        ids = re.findall(r'"id":"(\w+)"', answer.read().decode())
    block = re.sub(r"^API=.*", f"API={served.address}", block, flags=re.MULTILINE).replace(
        "curl -s", "curl -s --fail-with-body"
    )
    script = f"set -euo pipefail\nID={ids[0]} OTHER={ids[1]} API={served.address}\n{block}"
    done = subprocess.run(["bash", "-c", script], cwd=served.folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-600:] + done.stderr
    assert str(served.folder) not in done.stdout


def test_the_python_example_finds_copies_and_tags_them(served: Served) -> None:
    shutil.copy(served.folder / "pictures" / "cup" / "000.png", served.folder / "query.jpg")
    [example] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    example = example.replace("http://127.0.0.1:8502", served.address.removesuffix("/api/v1"))
    command = [sys.executable, "-c", example]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=served.folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["1", "2", "3", "4", "5"]


def test_every_problem_is_in_the_table() -> None:
    assert not [kind for kind in KINDS if f"`{kind}`" not in TEXT and kind != "method"]
