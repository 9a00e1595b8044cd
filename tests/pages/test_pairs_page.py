"""The page Same or different?: two pictures, a picture against identities, one-shot, and what is missing."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.pairs import curve
from app.pairs.charts import points_table, roc_table, score_table
from app.server import jobs
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.opening import open_gallery
from pipeline.recognition import enrolment, identities, verification
from pipeline.settings import Settings

PAGE = "views/pairs.py"


def opened(app: AppTest, **params: str) -> AppTest:
    app.run()
    app.switch_page(PAGE)
    for name, value in params.items():
        app.query_params[name] = value
    return settled(app.run())


def settled(app: AppTest) -> AppTest:
    assert [title.value for title in app.title] == ["Same or different?"]
    assert not app.exception
    return app


def markup(app: AppTest) -> str:
    return " ".join(str(one.proto.body) for one in app.get("html"))


def said(app: AppTest) -> str:
    return " ".join(one.value for one in [*app.markdown, *app.caption, *app.text, *app.info, *app.error])


def press(app: AppTest, label: str) -> AppTest:
    [button] = [one for one in app.button if one.label == label]
    return settled(button.click().run())


def shades() -> Gallery:
    return open_gallery("shades", Settings())


def ids_of(gallery: Gallery, label: str) -> list[str]:
    table = gallery.table()
    return list(table["id"][table["label"] == label])


def test_without_a_gallery_it_says_how_to_make_one(app: AppTest) -> None:
    assert "no gallery yet" in said(opened(app))


def test_an_example_pair_is_one_click_and_gives_verdict_charts_and_address(filled: AppTest) -> None:
    app = press(opened(filled, gallery="shades"), "Matching pair")
    text = markup(app)
    assert text.count("<figure") == 2
    assert "pair-verdict" in text
    assert "different pairs of this gallery score at least as high" in said(app)
    assert "needs at least 100 different pairs" in said(app)
    first, second = app.query_params["first"], app.query_params["second"]
    again = opened(filled, gallery="shades", first=str(first[0]), second=str(second[0]))
    assert "pair-verdict" in markup(again)


@pytest.mark.parametrize("rate", verification.RATES)
def test_the_verdict_is_the_decision_of_the_pipeline_at_the_rate_of_the_address(filled: AppTest, rate: float) -> None:
    gallery = shades()
    first, second = ids_of(gallery, "red")[0], ids_of(gallery, "green")[0]
    rows = gallery.rows()
    known = dict(zip(rows.table["id"], rows.embeddings, strict=True))
    decision = verification.decide(verification.curve(gallery), float(known[first] @ known[second]), rate=rate)
    app = opened(filled, gallery="shades", first=first, second=second, rate=f"{rate:g}")
    text = markup(app)
    assert f"score <b>{decision.score:.3f}</b>" in text
    assert f"threshold <b>{decision.threshold:.3f}</b>" in text
    assert f"<b>{'Same' if decision.same else 'Different'}</b>" in text
    assert f"**{decision.higher:,}** of {decision.n_different:,} different pairs" in said(app)
    if rate != 0.01:
        assert f"{rate:g}" in str(app.query_params["rate"]), "the address keeps what is not usual"


def test_an_upload_is_compared_and_its_address_names_no_file(filled: AppTest, tmp_path: Path) -> None:
    gallery = shades()
    app = opened(filled, gallery="shades", second=ids_of(gallery, "blue")[1])
    data = (tmp_path / "shades" / "blue" / "1.png").read_bytes()
    [drop] = [one for one in app.file_uploader if one.label == "First picture"]
    app = settled(drop.upload("secret name.png", data, "image/png").run())
    assert "score <b>1.000</b>" in markup(app)
    assert "<b>Same</b>" in markup(app)
    address = {name: app.query_params[name] for name in ("gallery", "first", "second")}
    assert "secret" not in str(address), address
    assert "upload:" in str(address["first"]), "the browser that brought it finds it after a reload"


@pytest.mark.parametrize("link", [{"upload": "deadbeef"}, {"first": "upload:deadbeef"}], ids=["before", "today"])
def test_a_link_made_for_an_upload_asks_for_it_again(filled: AppTest, link: dict[str, str]) -> None:
    app = opened(filled, gallery="shades", **link)
    assert "Drop it here to compare again" in said(app)


def test_a_file_that_is_no_picture_is_said_where_it_was_dropped(filled: AppTest) -> None:
    app = opened(filled, gallery="shades")
    app = settled(app.file_uploader[0].upload("notes.jpg", b"not a picture", "image/jpeg").run())
    assert "notes.jpg: " in app.error[0].value
    assert [one.label for one in app.file_uploader] == ["First picture", "Second picture", "Pairs"]


def test_unknown_ids_and_words_in_the_address_are_said_and_the_page_stays(filled: AppTest) -> None:
    red = ids_of(shades(), "red")[0]
    app = opened(filled, gallery="shades", first="f" * 32, second=red, rate="7", by="colour")
    assert "has no picture ffff" in said(app)
    assert "is not in this gallery" in markup(app)
    app = opened(filled, gallery="shades", mode="identity", first=red, who="identity:<b>nobody")
    assert "has no picture of" in said(app)


def test_a_picture_is_ranked_against_labels_and_named_with_the_way_back(filled: AppTest) -> None:
    gallery = shades()
    picture, other = ids_of(gallery, "green")[:2]
    app = opened(filled, gallery="shades", mode="identity", first=picture)
    assert "green (label)" in markup(app)
    app.text_input[0].set_value("My *green*")
    app = press(app, "Add identity")
    assert identities.identities(gallery) == {"My *green*": [picture]}
    app = press(app, "Undo")
    assert identities.identities(gallery) == {}
    identities.add(gallery, "My *green*", [picture])
    app = opened(filled, gallery="shades", mode="identity", first=other, who="identity:My *green*")
    assert "My *green*" in markup(app)
    assert "highest over all pictures" in said(app)


def test_a_name_that_exists_is_refused_with_a_button_that_adds_the_picture_to_it(filled: AppTest) -> None:
    gallery = shades()
    first, second = ids_of(gallery, "red")[:2]
    identities.add(gallery, "Rose", [first])
    app = opened(filled, gallery="shades", mode="identity", first=second)
    app.text_input[0].set_value("Rose")
    app = press(app, "Add identity")
    assert "has an identity 'Rose' already" in said(app)
    app = press(app, "Add the picture to 'Rose'")
    assert identities.identities(gallery) == {"Rose": [first, second]}
    assert "belongs to 'Rose'" in said(app)
    app = press(app, "Take it out")
    assert identities.identities(gallery) == {"Rose": [first]}
    app = press(app, "Forget")
    assert identities.identities(gallery) == {}
    press(app, "Undo")
    assert identities.identities(gallery) == {"Rose": [first]}


def test_a_new_upload_is_taken_in_by_a_child_process(
    filled: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, **_: started.append(command))
    Image.new("RGB", (30, 30), (90, 90, 10)).save(tmp_path / "new.png")
    app = opened(filled, gallery="shades", mode="identity")
    data = (tmp_path / "new.png").read_bytes()
    app = settled(app.file_uploader[0].upload("new.png", data, "image/png").run())
    app.text_input[0].set_value("Olive")
    press(app, "Add identity")
    [kept] = (shades().originals / enrolment.FOLDER).iterdir()
    assert kept.read_bytes() == data
    assert started == [["pipeline", "identity", "add", "shades", "Olive", "--picture", str(kept)]]


def test_a_large_gallery_is_measured_by_a_child_process(filled: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda command, **_: started.append(command))
    monkeypatch.setattr(curve, "QUICK_BYTES", 0)
    app = press(opened(filled, gallery="shades"), "Measure pairs")
    assert started == [["pipeline", "pairs", "shades", "--by", "label"]]
    assert "No pairs of this gallery are measured yet" in said(app)
    verification.curve(shades())
    assert "This gallery's pairs" in [one.value for one in opened(filled, gallery="shades").subheader]
    shades().remove(ids_of(shades(), "red")[:1])
    assert "has changed since" in said(opened(filled, gallery="shades"))


def test_without_labels_two_pictures_still_have_a_score(app: AppTest, tmp_path: Path) -> None:
    from tests.tiny_gallery import draw, fill

    for seed in range(4):
        draw(tmp_path / "flat" / f"{seed}.png", seed)
    fill(tmp_path / "flat", name="flat")
    opened(app, gallery="flat")
    assert "Nothing says which pictures of this gallery show the same" in said(app)
    press(app, "Pair 1")
    assert "No verdict" in markup(app)
    assert "of random pairs of this gallery" in said(app)


def test_the_tables_behind_the_charts_hold_the_curve(filled: AppTest) -> None:
    measured = verification.curve(shades())
    same, different = measured.scores()
    table = roc_table(measured)
    for row in table.itertuples():
        assert row.true_accept_rate == pytest.approx((same >= row.threshold).mean())
        assert row.false_accept_rate == pytest.approx((different >= row.threshold).mean())
    assert table["false_accept_rate"].iloc[-1] == 1
    bins = score_table(measured)
    assert bins["same"].sum() == pytest.approx(1)
    assert bins["different"].sum() == pytest.approx(1)
    assert points_table(measured)["note"].str.contains("too few").all()


def test_pairs_from_a_file_are_measured_chosen_and_told_of(filled: AppTest) -> None:
    app = opened(filled)
    table = shades().table()
    rows = [
        f"{a},{b},{int(one == other)}"
        for (a, one), (b, other) in itertools.combinations(zip(table["path"], table["label"], strict=True), 2)
    ]
    [field] = [one for one in app.file_uploader if (one.key or "").startswith("own-pairs")]
    field.upload("my pairs.csv", "\n".join(["first,second,same", *rows, "gone.png,x.png,1"]).encode(), "text/csv")
    settled(app.run())
    assert app.selectbox(key="pair-by").value == "pairs:my_pairs"
    assert "different pairs from my_pairs.csv" in said(app)
    assert f"{len(rows):,} pairs read from my pairs.csv." in said(app)
    assert "Left out: 1 pair with names" in said(app)
    [field] = [one for one in app.file_uploader if (one.key or "").startswith("own-pairs")]
    field.upload("bad.csv", b"first,second\nx,y", "text/csv")
    settled(app.run())
    assert "bad.csv has no column same" in said(app)
    assert app.selectbox(key="pair-by").value == "pairs:my_pairs", "the pairs before stay"
