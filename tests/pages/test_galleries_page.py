from __future__ import annotations

import time

import pytest
from streamlit.testing.v1 import AppTest

from app.server import jobs
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


@pytest.mark.parametrize("room", ["add", "reencode", "finetune", "try", "removed", "rejected", "export", "delete"])
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


def test_a_folder_becomes_a_gallery_in_a_child_process(filled: AppTest, tmp_path) -> None:
    job = jobs.start(
        ["pipeline", "ingest", "third", "--dataset", f"folder:root={tmp_path / 'shades'}"],
        title="third",
        gallery="third",
    )
    deadline = time.monotonic() + 60
    while jobs.state(job).running and time.monotonic() < deadline:
        time.sleep(0.2)
    state = jobs.state(job)
    assert (state.running, state.exit_code) == (False, 0), state.errors
    assert state.progress["done"] == state.progress["total"] == 12
    filled.run()
    at_galleries(filled)
    assert "third" in [heading.value for heading in filled.subheader]


def test_a_job_can_be_stopped(home) -> None:
    job = jobs.start(["pipeline", "demo", "--no-app"], title="demo")
    while not jobs.state(job).progress:
        assert jobs.state(job).running, jobs.state(job).errors
        time.sleep(0.1)
    jobs.stop(job)
    deadline = time.monotonic() + 30
    while jobs.state(job).running and time.monotonic() < deadline:
        time.sleep(0.1)
    assert jobs.state(job).exit_code == 130
    assert jobs.recent() == [job]
    jobs.dismiss(job)
    assert jobs.recent() == []
