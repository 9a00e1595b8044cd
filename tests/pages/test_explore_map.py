"""The map on the Explore page: the address decides what is shown, and the selection can be taken away or undone."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.explore.map_data import map_data, shape_from
from app.widgets import downloads
from pipeline.analysis import map_files, projection
from pipeline.analysis.selection import Shape, shape_of
from pipeline.gallery import opening as galleries
from pipeline.gallery import tags
from pipeline.gallery.gallery import Gallery
from pipeline.settings import Settings

EVERYTHING = "-2,-2;2,-2;2,2;-2,2"


def shades() -> Gallery:
    return galleries.open_gallery("shades", Settings())


@pytest.fixture
def mapped(filled: AppTest) -> AppTest:
    projection.project(shades(), "pca")
    return filled


def opened(app: AppTest, **params: str) -> AppTest:
    app.run()
    app.switch_page("views/explore.py")
    for name, value in {"gallery": "shades", **params}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return "\n".join(one.value for one in (*app.markdown, *app.text, *app.caption, *app.info, *app.error))


def test_without_a_map_it_offers_to_make_one(filled: AppTest) -> None:
    app = opened(filled)
    assert "No map yet" in said(app)
    assert [button.label for button in app.button if button.key == "project-find-shades"] == ["Make the map"]


def test_a_small_gallery_is_told_what_a_map_needs(filled: AppTest) -> None:
    gallery = shades()
    gallery.remove(sorted(gallery.ids())[:9])
    assert "3 pictures: a map needs 10" in said(opened(filled))


def test_the_map_is_shown_with_how_far_to_trust_it_and_kept_in_the_address(mapped: AppTest) -> None:
    app = opened(mapped)
    [about] = projection.saved_maps(shades())
    assert about["caption"] in said(app)
    assert app.query_params["map"] == about["name"]
    assert app.query_params["colour"] == "label"
    colour = next(box for box in app.selectbox if box.label == "Colour by")
    assert colour.options == ["Colour: Label", "One colour"]


def test_a_link_with_a_shape_shows_what_is_inside_with_counts_by_label(mapped: AppTest) -> None:
    app = opened(mapped, select=EVERYTHING)
    assert "**12 selected** of 12" in said(app)
    assert "blue 4 · green 4 · red 4" in said(app)
    app = opened(mapped, select=EVERYTHING, only="red")
    assert "**4 selected** of 12" in said(app)


def test_an_isolated_entry_is_shown_and_selected_only_when_asked(mapped: AppTest) -> None:
    app = opened(mapped, only="red")
    assert "**4 shown** of 12" in said(app)
    assert "Select all" in [button.label for button in app.button]


def test_an_isolated_entry_that_the_legend_lacks_selects_nothing(mapped: AppTest) -> None:
    assert "selected" not in said(opened(mapped, only="of another colouring"))


def test_a_shape_that_holds_nothing_says_so(mapped: AppTest) -> None:
    assert "Nothing selected" in said(opened(mapped, select="5,5;6,5;6,6"))


@pytest.mark.parametrize("text", ["", "nonsense", "1,2;3,4", "1,2;3,nan;4,5", "1,2;3,4;5,inf", "1,2;3,4;5,6@7"])
def test_an_address_that_cannot_be_read_selects_nothing(mapped: AppTest, text: str) -> None:
    assert shape_of(text) is None
    assert "selected" not in said(opened(mapped, select=text))


def test_a_tag_becomes_a_colouring(mapped: AppTest) -> None:
    tags.tag(shades(), sorted(shades().ids())[:4], "to *check*")
    assert "Colour: Tag" in next(box for box in opened(mapped).selectbox if box.label == "Colour by").options


def test_a_picture_of_the_address_is_shown_with_its_nearest(mapped: AppTest) -> None:
    picture = shades().table()["id"].iloc[0]
    assert "Nearest by the encoder" in said(opened(mapped, picture=picture))
    assert "Pick a point" in said(opened(mapped, picture="0" * 32))


def test_a_map_of_another_encoder_says_so_and_is_still_shown(mapped: AppTest) -> None:
    gallery = shades()
    [about] = projection.saved_maps(gallery)
    table, points = gallery.table(), map_files.points(gallery, about)[list("xy")].to_numpy()
    map_files.write(gallery, about | {"fingerprint": "f" * 64, "encoder": "another"}, table["id"].tolist(), points)
    assert "This map was made with the encoder another" in said(opened(mapped))


def test_a_damaged_map_can_be_deleted_on_the_page(mapped: AppTest) -> None:
    [about] = projection.saved_maps(shades())
    (shades().root / "projections" / f"{about['name']}.parquet").write_bytes(b"no parquet")
    app = opened(mapped)
    assert app.error
    next(button for button in app.button if button.label == "Delete this map").click().run()
    assert projection.saved_maps(shades()) == []
    assert "No map yet" in said(app)


def test_points_are_within_one_and_the_shape_takes_from_all_of_them(mapped: AppTest) -> None:
    data = map_data(shades(), projection.saved_maps(shades())[0]["name"])
    assert np.abs(data.points).max() == pytest.approx(1)
    assert data.table["id"].tolist() == data.map.points["id"].tolist()
    left = Shape(((-2, -2), (0, -2), (0, 2), (-2, 2)))
    assert left.takes(data.points).tolist() == (data.points[:, 0] < 0).tolist()


def test_a_shape_comes_through_its_text_and_from_the_browser() -> None:
    shape = Shape(((0.25, -1), (1e-3, 0), (0.5, 0.75)), (0.5, -0.25))
    assert shape_of(shape.text()) == shape
    assert shape_from({"polygon": [[0.25, -1], [1e-3, 0], [0.5, 0.75]], "turn": [0.5, -0.25]}) == shape
    assert shape_from(None) is None
    assert shape_of(";".join(["1,1"] * 200)) is None


def test_the_zip_holds_every_file_once_under_its_label(filled: AppTest, tmp_path: Path) -> None:
    gallery = shades()
    table = gallery.table()
    (tmp_path / "shades" / "red" / "0.png").unlink()
    table.loc[table["label"] == "blue", "label"] = "../blue/"
    with zipfile.ZipFile(io.BytesIO(downloads.as_zip(gallery, table))) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert len(names) == len(set(names)) == 12
    assert "red/0-thumbnail.jpg" in names
    assert {"blue/0.png", "green/3.png"} <= set(names)
    assert not any(".." in name or name.startswith("/") for name in names)
