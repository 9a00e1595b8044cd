"""A search over HTTP gives what the command line gives, and says why when it cannot."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tiny_gallery import encoder

from app.api import types
from pipeline.images.opening import open_image


def by_hand(api, data: bytes, k: int) -> list[str]:
    """Ids of the nearest, by comparing with every row."""
    made = encoder()
    [asked] = made.encode(made.preprocess(open_image(data).image)[None])
    rows = api.gallery.rows()
    scores = {one: float(row @ asked) for one, row in zip(rows.table["id"], rows.embeddings, strict=True)}
    return sorted(scores, key=lambda one: -scores[one])[:k]


def ids(answer) -> list[str]:
    return [hit["id"] for hit in answer.json()["hits"]]


def test_a_picture_that_is_sent_finds_the_nearest(api) -> None:
    asked = {"k": 4, "keep_query": True, "rerank": "none"}
    answer = api.post("/galleries/small/search", files=[("picture", ("a.png", api.file(), "image/png"))],
                      data={"question": json.dumps(asked)})  # fmt: skip
    assert ids(answer) == by_hand(api, api.file(), 4)
    hit = answer.json()["hits"][0]
    assert hit["score"] == pytest.approx(1, abs=1e-5)
    assert hit["path"].endswith(".png")
    assert api.client.get(hit["thumbnail"]).content == api.gallery.thumbnail_data(hit["id"])


def test_the_query_itself_is_no_hit_unless_it_is_asked_for(api) -> None:
    files = [("picture", ("a.png", api.file(), "image/png"))]
    own = by_hand(api, api.file(), 1)[0]
    assert own not in ids(api.post("/galleries/small/search", files=files))


def test_an_id_asks_as_its_picture_does(api) -> None:
    files = [("picture", ("a.png", api.file(), "image/png"))]
    own = by_hand(api, api.file(), 1)[0]
    assert ids(api.post("/galleries/small/search", {"ids": [own]})) == ids(
        api.post("/galleries/small/search", files=files)
    )


def test_a_filter_lets_through_what_it_says(api) -> None:
    answer = api.post("/galleries/small/search", {"ids": api.ids[:1], "where": ["label=cup"]})
    assert {hit["label"] for hit in answer.json()["hits"]} == {"cup"}


def test_a_part_of_a_picture_of_the_gallery_asks(api) -> None:
    whole = api.post("/galleries/small/search", {"ids": api.ids[:1], "k": 8})
    part = api.post("/galleries/small/search", {"ids": api.ids[:1], "k": 8, "region": "0,0,16,16"})
    scores = [[hit["score"] for hit in one.json()["hits"]] for one in (whole, part)]
    assert not np.allclose(*scores)


def test_each_of_many_is_asked_by_itself(api) -> None:
    first, second = api.ids[:2]
    both = api.post("/galleries/small/similar", {"ids": [first, second, first], "k": 3}).json()["answers"]
    assert list(both) == [first, second]
    for one in both:
        alone = api.post("/galleries/small/search", {"ids": [one], "k": 3})
        assert [hit["id"] for hit in both[one]["hits"]] == ids(alone)


@pytest.mark.parametrize("example", range(len(types.SearchAsked.model_config["json_schema_extra"]["examples"])))
def test_the_examples_of_a_search_are_answered(api, example: int) -> None:
    text = json.dumps(types.SearchAsked.model_config["json_schema_extra"]["examples"][example])
    asked = json.loads(text.replace(types.ID, api.ids[0]).replace(types.OTHER_ID, api.ids[1]))
    assert api.post("/galleries/small/search", asked).json()["hits"]


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({}, 400, "nothing to search with"),
        ({"k": 0}, 422, "k"),
        ({"kk": 3}, 422, "kk"),
        ({"ids": ["x"]}, 422, "ids"),
        ({"ids": ["0" * 32]}, 404, "no picture"),
        ({"texts": ["a red cup"]}, 400, "takes pictures only"),
        ({"where": ["colour=red"], "like": ["ID"]}, 400, "no field 'colour'"),
        ({"where": ["label"], "like": ["ID"]}, 400, "cannot read filter"),
        ({"rerank": "magic", "ids": ["ID"]}, 400, "magic"),
        ({"region": "1,2", "ids": ["ID"]}, 400, "x,y,w,h"),
        ({"region": "0,0,9,9", "texts": ["cup"]}, 400, "exactly one picture"),
        ({"region": "900,0,90,90", "ids": ["ID"]}, 400, "inside"),
        ({"max_wrong": 0.1, "ids": ["ID"]}, 400, "fewer than"),
        ({"aspects": "smell=1", "ids": ["ID"]}, 400, "smell"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(api, asked: dict, status: int, said: str) -> None:
    asked = json.loads(json.dumps(asked).replace('"ID"', f'"{api.ids[0]}"'))
    problem = api.post("/galleries/small/search", asked, status)
    assert problem.headers["content-type"] == "application/problem+json"
    assert said in problem.json()["detail"], problem.json()
    assert problem.json()["status"] == status


def test_a_file_that_is_no_picture_is_refused(api) -> None:
    files = [("picture", ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png"))]
    problem = api.post("/galleries/small/search", files=files, status=422).json()
    assert problem["type"] == "/api/v1/problems/picture"
    assert "SVG" in problem["detail"]
