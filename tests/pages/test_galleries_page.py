from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.server import jobs, resources
from app.server.jobs import Job, State
from pipeline import plugins
from pipeline.comparison import speeds
from pipeline.files import remote
from pipeline.fingerprints import FORMER_DEFAULT, OLD_BASE
from pipeline.gallery import opening as galleries
from pipeline.gallery import parts
from pipeline.gallery.opening import open_gallery
from pipeline.settings import Settings


def at_galleries(app: AppTest) -> AppTest:
    return app.switch_page("views/galleries.py").run()


def test_an_empty_home_opens_on_making_the_demo(app: AppTest) -> None:
    app.run()
    at_galleries(app)
    assert not app.exception
    assert app.title[0].value == "Galleries"
    assert "Make the demo gallery" in [button.label for button in app.button]


def test_every_gallery_is_listed_with_its_counts(filled: AppTest) -> None:
    filled.run()
    at_galleries(filled)
    assert not filled.exception
    assert [heading.value for heading in filled.subheader] == ["More shades", "Shades"]
    assert sum("**12** pictures" in text.value for text in filled.markdown) == 2


def test_a_gallery_of_the_former_default_is_offered_the_new_one(
    filled: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, **_: started.append(command))
    gallery = open_gallery("shades", Settings())
    encoders = gallery.manifest()["encoders"]
    chosen = {gallery.current: encoders[gallery.current] | {"spec": FORMER_DEFAULT}}
    gallery.update(encoders=chosen)
    at_galleries(filled)
    assert "Re-encode with it" not in [button.label for button in filled.button]  # by its name of today
    gallery.update(
        encoders={gallery.current: chosen[gallery.current] | {"spec": "deep_ranking", "fingerprint": OLD_BASE}}
    )
    at_galleries(filled)
    assert not filled.exception
    assert [button.key for button in filled.button if button.label == "Re-encode with it"] == ["upgrade-shades"]
    filled.button("upgrade-shades").click().run()
    assert started == [["pipeline", "reencode", "shades", "--encoder", "deep_ranking"]]


def test_removed_pictures_can_be_restored(filled: AppTest) -> None:
    gallery = open_gallery("shades", Settings())
    gone = gallery.table()["id"].iloc[0]
    gallery.remove([gone])
    filled.run()
    at_galleries(filled)
    filled.button("manage-shades").click().run()
    filled.segmented_control(key="room-shades").set_value("removed").run()
    filled.button("restore-shades").click().run()
    assert not filled.exception
    assert gallery.removed() == set()


def test_deleting_wants_the_name_typed(filled: AppTest) -> None:
    filled.run()
    at_galleries(filled)
    filled.button("manage-shades").click().run()
    filled.segmented_control(key="room-shades").set_value("delete").run()
    assert filled.button("delete-shades").disabled
    filled.text_input("confirm-shades").set_value("shades").run()
    filled.button("delete-shades").click().run()
    assert not filled.exception
    assert [heading.value for heading in filled.subheader] == ["More shades"]


@pytest.mark.parametrize(
    "room", ["add", "follow", "reencode", "finetune", "try", "removed", "rejected", "export", "delete"]
)
def test_every_room_of_a_gallery_opens(filled: AppTest, room: str) -> None:
    filled.run()
    at_galleries(filled)
    filled.button("manage-shades").click().run()
    filled.segmented_control(key="room-shades").set_value(room).run()
    assert not filled.exception


def test_a_missing_folder_is_said_and_makes_no_gallery(app: AppTest) -> None:
    app.run()
    at_galleries(app)
    app.segmented_control(key="way-demo").set_value("folder").run()
    app.text_input[0].set_value("/no/such/folder")
    next(button for button in app.button if button.label == "Make gallery").click().run()
    assert not app.exception
    assert "/no/such/folder" in app.error[0].value
    assert not Settings().galleries.exists() or not list(Settings().galleries.iterdir())


def test_a_new_gallery_shows_what_its_choices_cost_here_and_takes_the_chosen_one(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, **_: started.append(command))
    (Settings().runs / "mine").mkdir(parents=True)
    (Settings().runs / "mine" / "model.json").write_text("{}")
    (tmp_path / "photos").mkdir()
    app.run()
    at_galleries(app)
    app.segmented_control(key="way-demo").set_value("folder").run()
    choices = app.radio(key="choice-folder")
    assert choices.options == ["Photos", "Small and fast", "Colours only", "Your run mine", "Another encoder"]
    app.button("measure-folder").click().run()
    assert started.pop()[:3] == ["pipeline", "encoders", "--measure"]
    speeds.measure(["deep_ranking:weights=models/small", "color_histogram"], device="cpu")
    app.run()
    assert "pictures/s here · 384 numbers" in str(app.radio(key="choice-folder").proto.captions)
    app.text_input[0].set_value(str(tmp_path / "photos"))
    app.radio(key="choice-folder").set_value("color_histogram")
    next(button for button in app.button if button.label == "Make gallery").click().run()
    assert started[0][-3:] == ["--encoder", "color_histogram", "--map"]


def test_a_table_is_looked_at_before_anything_is_made(app: AppTest, tmp_path) -> None:
    (tmp_path / "list.csv").write_text("Path;Label;Split\n1.jpg;cat;train\n2.jpg;dog;test\n;;\n")
    (tmp_path / "1.jpg").write_bytes(b"picture")
    app.run()
    at_galleries(app)
    app.segmented_control(key="way-demo").set_value("folder").run()
    app.text_input[0].set_value(str(tmp_path / "list.csv"))
    next(button for button in app.button if button.label == "Look first").click().run()
    assert not app.exception
    assert any("**2 pictures**, 2 labels, splits" in one.value for one in app.markdown)
    assert any("separated by semicolons" in one.value for one in app.text)
    assert "1 of these files are not there, first: 2.jpg" in app.warning[0].value.replace("\\", "")
    assert app.dataframe[0].value["label"].tolist() == ["cat", "dog"]
    assert not Settings().galleries.exists() or not list(Settings().galleries.iterdir())


@pytest.mark.parametrize(
    ("place", "taken", "dataset"),
    [
        ("films", "Films: a frame a second", "video:root={0}/films"),
        ("films", "Films: a frame a shot", "video:root={0}/films,shots=true"),
        ("memory://shop/photos", "Pictures", "bucket:url=memory://shop/photos"),
    ],
)
def test_films_and_object_storage_are_ingested_as_a_folder_is(
    place: str, taken: str, dataset: str, app: AppTest, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "films").mkdir()
    monkeypatch.setitem(remote.LIBRARIES, "memory", "fsspec")
    monkeypatch.setattr(plugins, "missing", lambda kind, name: "")
    started: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, **_: started.append(command))
    app.run()
    at_galleries(app)
    app.segmented_control(key="way-demo").set_value("folder").run()
    app.text_input[0].set_value(place if "://" in place else str(tmp_path / place))
    next(one for one in app.selectbox if one.label == "Take from it").set_value(taken)
    next(button for button in app.button if button.label == "Make gallery").click().run()
    assert not app.exception
    assert started[0][started[0].index("--dataset") + 1] == dataset.format(tmp_path)


def test_a_folder_becomes_a_gallery_in_a_child_process(filled: AppTest, tmp_path) -> None:
    job = jobs.start(
        ["pipeline", "ingest", "third", "--dataset", f"folder:root={tmp_path / 'shades'}"],
        title="third",
        gallery="third",
    )
    deadline = time.monotonic() + 200
    while jobs.state(job).running and time.monotonic() < deadline:
        time.sleep(0.2)
    state = jobs.state(job)
    assert (state.running, state.exit_code) == (False, 0), state.errors
    assert state.progress["done"] == state.progress["total"] == 12
    filled.run()
    at_galleries(filled)
    assert "third" in [heading.value for heading in filled.subheader]


def test_a_waiting_job_says_its_place_and_can_be_cancelled(filled: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMBLANCE_JOBS", "1")
    working, *waiting = [jobs.start(["tests.idle_job", "60", "1"], title=f"*{name}*") for name in "abc"]
    filled.run()
    at_galleries(filled)
    told = [one.value for one in filled.markdown if "in line" in one.value]
    assert told == [
        f":material/hourglass_empty: **\\*{name}\\***: waiting, {place} in line"
        for name, place in (("b", "next"), ("c", "number 2"))
    ]
    filled.button(f"cancel-{waiting[0].id}").click().run()
    assert next(one.value for one in filled.markdown if "in line" in one.value).endswith(
        "c\\***: waiting, next in line"
    )
    assert any("stopped" in one.value for one in filled.markdown)
    for job in (waiting[1], working):
        while job is working and jobs.state(job).output != "idle":
            time.sleep(0.05)
        jobs.stop(job)


def test_a_job_can_be_stopped(home) -> None:
    job = jobs.start(["pipeline", "demo", "--no-app"], title="demo")
    while not jobs.state(job).progress:
        assert jobs.state(job).running, jobs.state(job).errors
        time.sleep(0.1)
    jobs.stop(job)
    deadline = time.monotonic() + 200  # a job ends when it has something to say; busy machines take their time
    while jobs.state(job).running and time.monotonic() < deadline:
        time.sleep(0.1)
    assert jobs.state(job).exit_code == 130
    assert jobs.recent() == [job]
    jobs.dismiss(job)
    assert jobs.recent() == []


def test_a_refused_zip_is_named_below_its_field_until_the_files_change_and_makes_no_gallery(app: AppTest) -> None:
    app.run()
    app.session_state["wanted"] = "upload"
    at_galleries(app)
    [files] = app.file_uploader
    files.upload("mine.zip", b"no zip at all", "application/zip")
    next(button for button in app.button if button.label == "Make gallery").click()
    app.run()
    assert [error.value for error in app.error] == [
        "mine.zip: the zip is damaged or is no zip (File is not a zip file); make it again and send it again"
    ]
    assert galleries.names(Settings()) == []
    app.run()
    assert not app.error


def test_a_gallery_that_is_being_filled_shows_its_newest_pictures_and_can_be_searched(
    filled: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job("1", "Ingest into Shades", "shades", ("pipeline", "ingest", "shades"), 0.0, 1)
    progress = {"stage": "ingest", "done": 30, "total": 90, "rate": 12.0, "seconds_left": 5}
    monkeypatch.setattr(jobs, "recent", lambda limit=5: [job])
    monkeypatch.setattr(jobs, "state", lambda job: State(True, None, progress, "", ""))
    monkeypatch.setattr(jobs, "running", lambda *words, gallery="", about="": gallery in ("", "shades"))
    filled.run()
    app = at_galleries(filled)
    assert not app.exception
    assert "30 of 90 · 12/s · 5 s left" in app.get("progress")[0].proto.text
    drawn = "".join(one.proto.body for one in app.get("html"))
    newest = parts.newest_ids(resources.gallery("shades").folder(), 8)
    assert len(newest) == 8
    assert [drawn.index(picture) for picture in newest] == sorted(drawn.index(picture) for picture in newest)
    assert any("Being filled; it can be searched meanwhile." in text.value for text in app.caption)
    assert sum("12** pictures so far" in text.value for text in app.markdown) == 1
