"""Fine-tuning in a real browser: tags made on the map teach the gallery, which is then searched with what was learned."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from lost_clicks import press
from playwright.sync_api import Page, expect
from test_explore_in_a_browser import circle, ready, selected

from pipeline.gallery.opening import free_name
from pipeline.gallery.tags import tags
from pipeline.settings import Settings

pytest_plugins = ("milvus_server",)
pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


@pytest.fixture
def taught(server: str, clothing: Path, command: Callable[..., None], tmp_path: Path, home_of_server: Path) -> str:
    """A gallery of its own, of forty shoes and forty hats, with a map; a second try has another."""
    for label in ("shoes", "hat"):
        (tmp_path / "pairs" / label).mkdir(parents=True)
        for file in sorted((clothing / "train" / label).glob("*.jpg"))[:40]:
            shutil.copy(file, tmp_path / "pairs" / label)
    name = free_name("taught", Settings(home=home_of_server))
    command("ingest", name, "--dataset", f"folder:root={tmp_path / 'pairs'}", "--title", name)
    command("project", name, "--method", "pca")
    return name


def tag_those_called(page: Page, label: str, name: str) -> int:
    """Circle the map, keep one label of the legend, tag what is left; how many that were."""
    circle(page, share=0.99)
    page.locator(".legend button", has_text=label).click()
    expect(page.locator(".st-key-map-selection").get_by_text(re.compile(f"^{label} [0-9]+$"))).to_be_visible()
    page.wait_for_selector("[data-test-script-state='notRunning']")
    count = selected(page)
    press(page.locator(".tray").get_by_role("button", name="Tag"), page.get_by_placeholder("to check"))
    page.get_by_placeholder("to check").fill(name)
    page.get_by_placeholder("to check").press("Enter")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(re.compile(f"have the tag .{name}"))).to_be_visible()
    page.keyboard.press("Escape")
    page.locator(".legend button", has_text=label).click()
    return count


@pytest.mark.timeout(600)
def test_tags_from_the_map_teach_the_gallery_and_undo_brings_it_back(
    taught: str, open_page: Callable[..., Page], home_of_server: Path
) -> None:
    page = open_page(f"/explore?gallery={taught}")
    ready(page)
    made = {name: tag_those_called(page, label, name) for label, name in (("shoes", "feet"), ("hat", "head"))}

    page.get_by_role("link", name="Galleries").click()
    card = page.locator(f".st-key-card-{taught}")
    card.get_by_role("button", name="Manage").click()
    card.get_by_text("Fine-tune", exact=True).first.click()
    card.get_by_text("Tags", exact=True).click()
    expect(card.get_by_text(f"feet {made['feet']}")).to_be_visible()
    start = card.get_by_role("button", name="Fine-tune")
    expect(start).to_be_enabled(timeout=120_000)
    start.click()
    expect(page.get_by_text(f"Fine-tune {taught}: done").first).to_be_visible(timeout=240_000)
    expect(card.get_by_text("Before and after").first).to_be_visible()
    expect(card.get_by_text(re.compile(r"map_at_r [0-9.]+ → [0-9.]+"))).to_be_visible()

    from pipeline.gallery import reports
    from pipeline.gallery.gallery import Gallery

    gallery = Gallery(home_of_server / "galleries" / taught)
    assert {name: len(ids) for name, ids in tags(gallery).items()} == made
    report = reports.read(gallery, reports.names(gallery, "finetune")[0])
    assert report["source"] == "tags"
    assert sum(report["counts"].values()) == sum(made.values())
    assert gallery.encoder()["spec"] == report["after"] != ""
    expect(card.get_by_text("The gallery is searched with what was learned")).to_be_visible()
    card.get_by_role("link", name="Search").click()
    page.wait_for_selector(".grid .tile img")
    page.set_input_files(
        "input[type=file]", next((home_of_server / "galleries" / taught / "thumbnails").rglob("*.jpg"))
    )
    page.wait_for_selector(".st-key-hits .tile")
    page.get_by_role("link", name="Galleries").click()
    card.get_by_text("Fine-tune", exact=True).first.click()
    card.get_by_role("button", name="Undo").click()
    expect(page.get_by_text(f"{taught} back to deep_ranking: done").first).to_be_visible(timeout=120_000)
    assert gallery.encoder()["spec"] == "deep_ranking"
