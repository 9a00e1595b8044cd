"""The real app on a free port over real photos, and Debian's chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import warm_commands
from exposed_app import free_port
from playwright.sync_api import Browser, Page, sync_playwright

from pipeline import ROOT
from pipeline.exchange.subset import subset
from pipeline.gallery.opening import free_name, open_gallery
from pipeline.settings import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Chromium, the app and a Milvus server share few cores here; -rR names what failed once."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def photos(clothing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten real photos of each of four labels."""
    root = tmp_path_factory.mktemp("photos")
    for label in ("dress", "hat", "pants", "shoes"):
        (root / label).mkdir()
        for file in sorted((clothing / "train" / label).glob("*.jpg"))[:10]:
            shutil.copy(file, root / label)
    return root


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """On the embedded file; what a module names in BOTH_STORES on a server too: where answers come from Milvus."""
    if "milvus_uri" in metafunc.fixturenames:
        both = metafunc.function.__name__ in getattr(metafunc.module, "BOTH_STORES", ())
        stores = ["lite", "server"] if both else ["lite"]
        metafunc.parametrize("milvus_uri", stores, indirect=True, scope="session")


@pytest.fixture(scope="session")
def milvus_uri(request: pytest.FixtureRequest) -> str:
    """'' is the embedded file in the home."""
    if request.param == "lite":
        return ""
    uri: str = request.getfixturevalue("milvus_server").uri
    return uri


@pytest.fixture(scope="session")
def home_of_server(milvus_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def environment(home_of_server: Path, milvus_uri: str) -> dict[str, str]:
    """Of the app's process and of commands beside it."""
    return os.environ | {"SEMBLANCE_HOME": str(home_of_server), "SEMBLANCE_MILVUS_URI": milvus_uri}


@pytest.fixture(scope="session")
def command(environment: dict[str, str]) -> Callable[..., None]:
    """`python -m pipeline WORDS` in the app's home; what it said when it fails."""

    def run(*words: object) -> None:
        done = warm_commands.run(list(map(str, words)), stdin="", env=environment)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture
def of_its_own(server: str, home_of_server: Path) -> str:
    """A gallery of the same photos that no other test has looked into; its name."""
    settings = Settings(home=home_of_server)
    source, name = open_gallery("photos", settings), free_name("own photos", settings)
    subset(source, name, source.ids(), settings, title="Photos")
    return name


@pytest.fixture(scope="session")
def server(
    photos: Path,
    environment: dict[str, str],
    command: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Address of the running app, its gallery `photos` filled by the command line."""
    command("ingest", "photos", "--dataset", f"folder:root={photos}", "--title", "Photos")
    port = free_port()
    log = tmp_path_factory.mktemp("log") / "app.log"
    streamlit = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
    with (
        log.open("wb") as out,
        subprocess.Popen(streamlit, env=environment, cwd=ROOT, stdout=out, stderr=out) as process,
    ):
        try:
            _wait(f"http://127.0.0.1:{port}/readyz", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)
    said = [
        line for line in log.read_text().splitlines() if "Traceback" in line or "Warning" in line or "Error" in line
    ]
    assert not said, f"warnings and errors in the app's log are defects: {said}"


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "the app ended before it was ready"
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{address} was not ready within a minute")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser, server: str) -> Iterator[Callable[..., Page]]:
    """open_page(path, width=…) gives a fresh visitor's page; at the end no page may have logged an error.

    before: a script that runs before the page's own.
    """
    contexts, logged = [], []

    def opened(
        path: str = "/?gallery=photos", *, width: int = 1280, height: int = 900, dark: bool = False, before: str = ""
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", has_touch=width < 500
        )
        contexts.append(context)
        page = context.new_page()
        if before:
            page.add_init_script(before)
        page.on("pageerror", lambda error: logged.append(str(error)))
        page.goto(server + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not logged, f"the browser logged errors: {logged}"
