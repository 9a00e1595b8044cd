"""Hard cases in a real browser: a click and a key leave a needle out, undo brings it back, the figures are drawn."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from pipeline.annotations import annotations as annotation_files
from tests.drawn_scenes import detected, scenes

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def _case(server: str, command: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("scenes")
    truth = scenes(folder / "scenes")
    annotation_files.write(truth, folder / "truth.json")
    annotation_files.write(detected(truth), folder / "predictions.json")
    given = [
        "--pictures",
        folder / "scenes",
        "--truth",
        folder / "truth.json",
        "--predictions",
        folder / "predictions.json",
    ]
    for words in (
        ["start", "mine", *map(str, given), "--reference", "0.25", "--seed", "3", "--title", "Mine"],
        ["encode", "mine", "--encoder", "color_histogram:grid=2,bins=4", "--progress", "none"],
        ["needles", "mine"],
        ["shortlist", "mine", "--min-score", "0.96", "--progress", "none"],
        ["compare", "mine", "--rounds", "100", "--progress", "none"],
    ):
        command("hard-cases", *words)


@pytest.mark.usefixtures("_case")
def test_a_click_or_a_key_leaves_a_needle_out_and_undo_brings_it_back(open_page: Callable[..., Page]) -> None:
    page = open_page("/hard_cases?case=mine&step=needles")
    expect(page.get_by_text("3 failures used as queries.")).to_be_visible()
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(3)
    expect(tiles.first.locator("img")).to_have_js_property("complete", True)
    tiles.first.click()
    expect(page.get_by_text("2 failures used as queries.")).to_be_visible()
    expect(tiles.first).to_have_class(re.compile("out"))
    tiles.nth(1).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    expect(page.get_by_text("1 failures used as queries.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("2 failures used as queries.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("3 failures used as queries.")).to_be_visible()
    expect(tiles.first).not_to_have_class(re.compile("out"))


@pytest.mark.usefixtures("_case")
def test_the_steps_lead_to_figures_and_a_zip(open_page: Callable[..., Page]) -> None:
    page = open_page("/hard_cases?case=mine&step=shortlist")
    expect(page.get_by_text("9 pictures on the shortlist.")).to_be_visible()
    page.get_by_role("button", name="Next: Compare").click()
    expect(page.get_by_text("no two 95 % intervals overlap")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    page.get_by_role("button", name="Next: Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Zip").click()
    assert download.value.suggested_filename == "mine-round-01.zip"


@pytest.mark.usefixtures("_case")
@pytest.mark.parametrize("step", ["encode", "needles", "shortlist", "compare", "export", "import"])
def test_a_phone_shows_every_step_without_sideways_scroll(open_page: Callable[..., Page], step: str) -> None:
    page = open_page(f"/hard_cases?case=mine&step={step}", width=390, height=844, dark=True)
    expect(page.locator(".st-key-hard-steps")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
