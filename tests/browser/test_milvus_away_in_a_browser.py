"""Milvus dies under a visitor: the page says so and answers, and needs no reload when Milvus is back."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path

import pytest
from exposed_app import free_port
from playwright.sync_api import Browser, Error, Page, expect
from tiny_gallery import process, run

from benchmarks.milvus_process import MilvusProcess

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
EXACTLY = re.compile("Answered exactly from the gallery's files, because Milvus cannot be used")
HITS = ".st-key-hits .tile"


def search_with(page: Page, number: int) -> None:
    tile = page.locator(HITS).nth(number)
    tile.hover()
    tile.locator(".act.search").click()


def test_a_killed_milvus_is_told_and_used_again_without_a_reload(
    mortal_server: MilvusProcess, browser: Browser, photos: Path, home: Path
) -> None:
    milvus = {"SEMBLANCE_MILVUS_URI": mortal_server.uri}
    assert run("ingest", "photos", "--dataset", f"folder:root={photos}", env=milvus).returncode == 0
    port = str(free_port())
    command = (sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", port)
    with process(*command, env=os.environ | milvus):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for _ in range(120):
            with contextlib.suppress(Error):  # it does not listen yet
                page.goto(f"http://127.0.0.1:{port}/?gallery=photos")
                break
            page.wait_for_timeout(500)
        page.locator(".grid .tile").first.click(timeout=60_000)
        expect(page.locator(HITS)).to_have_count(24, timeout=30_000)
        marked = page.evaluate("window.notReloaded = true")
        mortal_server.kill()
        search_with(page, 2)
        expect(page.get_by_text(EXACTLY)).to_be_visible(timeout=30_000)
        expect(page.locator(HITS)).to_have_count(24)
        assert not page.get_by_text("Traceback").count()
        mortal_server.start()
        for number in range(60):  # a visitor goes on looking at pictures
            search_with(page, 1 + number % 5)
            page.wait_for_timeout(1000)
            if not page.get_by_text(EXACTLY).count():
                break
        expect(page.get_by_text(EXACTLY)).to_have_count(0)
        expect(page.locator(HITS)).to_have_count(24)
        assert page.evaluate("window.notReloaded") is marked is True
        page.close()
