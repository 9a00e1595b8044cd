"""Titles, labels, file names, tags and what jobs said are text: no page asks another host, draws a link or an image of theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from exposed_app import Exposed, exposed
from playwright.sync_api import Browser, Page, expect
from tiny_gallery import SPEC, draw, run

from pipeline.gallery import reports, tags
from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings

pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)
FOREIGN = "foreign.example"
# No label of a folder has a slash; Markdown takes an entity for one.
LABELS = (
    f"![l](http:&#47;&#47;{FOREIGN}&#47;label.png)",
    f"<img src=http:&#47;&#47;{FOREIGN}&#47;tag.png>",
    f"[{FOREIGN}](http:&#47;&#47;{FOREIGN})",
    f"www.{FOREIGN} :smile: :material_home: $x^2$ :red[r] a_b_c `d` *e* -> 1. x",
)
TITLES = (
    f"![t](http://{FOREIGN}/title.png)",
    f'<img src="http://{FOREIGN}/html.png"><script>document.title="taken"</script>',
    f"http://{FOREIGN}/bare and www.{FOREIGN} and mail@{FOREIGN}",
    ":smile: :+1: :material/home: :material_home: :streamlit: :red[red] :blue-badge[b]",
    "# heading, $x^2$ and $$y$$, *a* _b_ **c** ~~d~~ `e` \\* &amp; &#42; -> <- -- >= <= ~=",
    "- list | table | 1. one > quote",
)
SAID = f"error: ![j](http://{FOREIGN}/job.png) <img src=http://{FOREIGN}/j.png> http://{FOREIGN}/"


def pictures(folder: Path) -> Path:
    for number in range(24):
        label = LABELS[number % 4]
        draw(folder / label / f"{number:02d} ![f](http:&#47;&#47;{FOREIGN}&#47;file.png)<img src=x>.png", number // 2)
    return folder


def hostile_home(folder: Path) -> None:
    """Every page has something to show, and nothing of it is called by a harmless name."""
    home, here = folder / "home", {"SEMBLANCE_HOME": str(folder / "home"), "SEMBLANCE_MILVUS_URI": ""}

    def do(*words: str) -> None:
        done = run(*words, "--progress", "none", env=here)
        assert done.returncode == 0, (words, done.stderr)

    dataset = f"folder:root={pictures(folder / 'pictures')}"
    do("ingest", "first", "--dataset", dataset, "--encoder", SPEC, "--title", TITLES[0])
    for verb in ("evaluate", "duplicates", "cluster", "oddities", "terms"):
        do(verb, "first")
    do("project", "first", "--method", "pca")
    do("pairs", "first")
    for number, title in enumerate(TITLES[1:]):
        do("ingest", f"other{number}", "--dataset", dataset, "--encoder", SPEC, "--limit", "2", "--title", title)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMBLANCE_HOME", str(home))
        gallery = open_gallery("first", Settings())
        ids = sorted(gallery.ids())
        tags.tag(gallery, ids[:3], f"![g](http://{FOREIGN}/tag.png)")
        gallery.judge("identity", ids[:2], [f"![i](http://{FOREIGN}/who.png)", True])
        for kind in ("evaluation", "clusters", "duplicates", "outliers", "label-errors"):
            for name in reports.names(gallery, kind):
                _spoil(gallery.root / "reports" / f"{name}.json")
    _jobs(home / "jobs")
    _runs(home / "runs")


def _spoil(file: Path) -> None:
    report = json.loads(file.read_text())
    for key in ("encoder", "machine", "method"):
        if isinstance(report.get(key), str):
            report[key] += f" ![r](http://{FOREIGN}/report.png)"
    if "notes" in report:
        report["notes"] = [*report["notes"], f"note ![n](http://{FOREIGN}/note.png)"]
    file.write_text(json.dumps(report))


def _jobs(folder: Path) -> None:
    for number, code in enumerate((0, 1, 130)):
        job = folder / f"2026010{number}-000000-abcdef"
        job.mkdir(parents=True)
        facts = {"id": job.name, "title": f"Ingest {TITLES[number]}", "gallery": "first", "command": ["pipeline"]}
        (job / "job.json").write_text(json.dumps(facts | {"started": 0.0, "pid": 1}))
        for file, text in (("out.txt", SAID), ("err.txt", SAID), ("exit.txt", str(code))):
            (job / file).write_text(text)


def _runs(folder: Path) -> None:
    one = folder / "one"
    one.mkdir(parents=True)
    facts = {"name": "one", "status": "failed", "error": SAID, "command": SAID, "created": "2026-01-01T00:00:00"}
    (one / "run.json").write_text(json.dumps(facts))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exposed]:
    folder = tmp_path_factory.mktemp("hostile")
    hostile_home(folder)
    with exposed(folder, SEMBLANCE_EXPOSED="0") as one:
        yield one


class Watched:
    """A page that notes every request to another host, and what its policy had to refuse."""

    def __init__(self, browser: Browser, app: Exposed, *, policy: bool) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 1000}, bypass_csp=not policy)
        self.page, self.app, self.asked = self.context.new_page(), app, [""]
        self.refused: list[str] = []
        self.asked.clear()
        self.context.on("request", lambda request: self._note(request.url))
        self.page.on("console", lambda message: self._hear(message.text))

    def _note(self, url: str) -> None:
        if not url.startswith((self.app.address, "data:", "blob:")):
            self.asked.append(url)

    def _hear(self, text: str) -> None:
        if "Content Security Policy" in text or "violates" in text:
            self.refused.append(text)

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.app.address}/{path}")
        self.settle()
        return self.page

    def settle(self) -> None:
        expect(self.page.locator('[data-testid="stStatusWidget"]')).to_have_count(0)
        self.page.wait_for_timeout(600)

    def clean(self, where: str) -> None:
        assert not self.asked, (where, self.asked)
        assert not self.refused, (where, self.refused)
        for what in (f'a[href*="{FOREIGN}"]', f'img[src*="{FOREIGN}"]', 'img[src="x"]', 'a[href^="mailto:"]', ".katex"):
            assert self.page.locator(what).count() == 0, (where, what, self.page.locator(what).first.inner_html())
        assert self.page.title() == "Semblance"


@pytest.fixture
def watched(browser: Browser, app: Exposed) -> Iterator[Watched]:
    """Without the policy, which would keep from us what a page tried."""
    one = Watched(browser, app, policy=False)
    yield one
    one.context.close()


SECTIONS = {
    "": ("?gallery=first",),
    "explore": ("map", "clusters", "duplicates", "oddities"),
    "evaluate": ("quality", "encoders", "length"),
}
PATHS = [
    "?gallery=first",
    *(f"{page}?gallery=first&section={name}" for page in ("explore", "evaluate") for name in SECTIONS[page]),
    "indexes?gallery=first",
    "pairs?gallery=first",
    "hard_cases",
    "training",
    "galleries",
]


def test_no_page_asks_another_host_or_shows_names_as_markup(watched: Watched) -> None:
    for path in PATHS:
        page = watched.open(path)
        watched.clean(path)
        for folded in page.locator("details summary").all():
            folded.click()
        for chart in page.locator(".js-plotly-plot").all():
            chart.hover(force=True)
        watched.settle()
        watched.clean(f"{path}, unfolded")


def test_no_page_needs_what_the_policy_refuses(browser: Browser, app: Exposed) -> None:
    one = Watched(browser, app, policy=True)
    for path in PATHS:
        one.open(path)
        one.clean(path)
    one.context.close()


def test_a_gallery_is_managed_under_its_own_name_whatever_it_is(watched: Watched) -> None:
    page = watched.open("galleries")
    page.get_by_role("button", name="Manage").first.click()
    watched.settle()
    watched.clean("managed")
    rooms = page.locator('[data-testid="stButtonGroup"] button')
    for number in range(rooms.count()):
        rooms.nth(number).click()
        watched.settle()
        watched.clean(f"room {number}")


def test_an_upload_and_its_hits_are_shown_by_their_names(watched: Watched, tmp_path: Path) -> None:
    page = watched.open("?gallery=first")
    file = draw(tmp_path / f"![u](http:&#47;&#47;{FOREIGN}&#47;up.png).png", 3)
    page.locator('input[type="file"]').first.set_input_files(file)
    watched.settle()
    watched.clean("search")


def test_titles_are_shown_letter_by_letter(watched: Watched) -> None:
    page = watched.open("galleries")
    headings = [text.replace("\u2060", "").strip() for text in page.locator("h3").all_inner_texts()]
    assert sorted(headings) == sorted(TITLES)
