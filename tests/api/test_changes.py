"""What programs change can be seen by the next question, and taken back; long work is a job that can be followed."""

from __future__ import annotations

import io
import json
import time
import zipfile

import pytest
from tiny_gallery import SPEC, draw

from app.api import jobs as api_jobs
from app.server import job_records, jobs
from pipeline.access import tokens
from pipeline.duplicates.find import judged


@pytest.fixture(autouse=True)
def no_job_is_left(api):  # type: ignore[no-untyped-def]
    yield
    for job in reversed(job_records.unfinished(api.home / "jobs")):
        jobs.stop(job)
    deadline = time.monotonic() + 60
    while job_records.unfinished(api.home / "jobs") and time.monotonic() < deadline:
        time.sleep(0.05)


def finished(api, job: dict) -> dict:  # type: ignore[no-untyped-def,type-arg]
    deadline = time.monotonic() + 120
    while (now := api.get(f"/jobs/{job['id']}").json())["state"] in ("waiting", "running"):
        assert time.monotonic() < deadline, now
        time.sleep(0.1)
    assert now["state"] == "done", now
    return now


def test_removed_pictures_are_in_no_answer_until_they_are_restored(api) -> None:
    first, *rest = api.ids
    asked = {"ids": rest[:1], "k": 20}
    found = [hit["id"] for hit in api.post("/galleries/small/search", asked).json()["hits"]]
    assert first in found
    api.post("/galleries/small/pictures/remove", {"ids": [first]})
    assert first not in [hit["id"] for hit in api.post("/galleries/small/search", asked).json()["hits"]]
    api.get(f"/galleries/small/pictures/{first}", 404)
    api.post("/galleries/small/pictures/restore", {"ids": [first]})
    assert [hit["id"] for hit in api.post("/galleries/small/search", asked).json()["hits"]] == found


def test_nothing_is_removed_when_one_of_them_is_unknown(api) -> None:
    api.post("/galleries/small/pictures/remove", {"ids": [api.ids[0], "0" * 32]}, 404)
    api.post("/galleries/small/pictures/restore", {"ids": [api.ids[0]]}, 404)
    assert api.gallery.removed() == set()


def test_a_tag_is_given_counted_and_taken(api) -> None:
    api.post("/galleries/small/tags", {"tag": "summer", "ids": api.ids[:3]})
    assert api.get("/galleries/small/tags").json() == {"tags": {"summer": 3}}
    listed = api.get("/galleries/small/pictures", params={"tag": "summer"}).json()["pictures"]
    assert [(one["id"], one["tags"]) for one in listed] == [(one, ["summer"]) for one in api.ids[:3]]
    api.post("/galleries/small/tags", {"tag": "summer", "ids": api.ids[:2], "given": False})
    assert api.get("/galleries/small/tags").json() == {"tags": {"summer": 1}}


def test_a_label_is_given_and_the_answer_takes_it_back(api) -> None:
    before = api.get(f"/galleries/small/pictures/{api.ids[0]}").json()["label"]
    undo = api.post("/galleries/small/labels", {"labels": {api.ids[0]: "vase"}}).json()["undo"]
    assert api.get(f"/galleries/small/pictures/{api.ids[0]}").json()["label"] == "vase"
    hits = api.post("/galleries/small/search", {"ids": api.ids[1:2], "where": ["label=vase"]}).json()["hits"]
    assert [hit["id"] for hit in hits] == api.ids[:1]
    api.post("/galleries/small/labels", {"labels": undo})
    assert api.get(f"/galleries/small/pictures/{api.ids[0]}").json()["label"] == before


def test_what_was_judged_is_kept_and_listed_in_order(api) -> None:
    first, second, third = api.ids[:3]
    api.post("/galleries/small/judgments", {"kind": "same", "ids": [first, second]})
    api.post("/galleries/small/feedback", {"ids": [first], "like": [second], "unlike": [third]})
    assert judged(api.gallery) == {frozenset((first, second)): True}
    said = [one["kind"] for one in api.get("/galleries/small/judgments").json()["judgments"]]
    assert said == ["same", "like", "unlike"]
    page = api.get("/galleries/small/judgments", params={"limit": 2}).json()
    rest = api.get("/galleries/small/judgments", params={"after": page["next_after"]}).json()
    assert [one["kind"] for one in rest["judgments"]] == ["unlike"]
    assert rest["next_after"] is None


def test_why_two_pictures_score_as_they_do(api) -> None:
    first, second = api.ids[:2]
    by_id = api.post("/galleries/small/explain", {"query": first, "hit": second, "grid": 3}).json()
    assert [len(by_id["heat_query"]), len(by_id["heat_hit"][0])] == [3, 3]
    rows = api.gallery.rows()
    vectors = dict(zip(rows.table["id"], rows.embeddings, strict=True))
    assert by_id["score"] == pytest.approx(float(vectors[first] @ vectors[second]), abs=1e-4)
    path = api.get(f"/galleries/small/pictures/{first}").json()["path"]
    sent = [("picture", ("a.png", (api.photos / path).read_bytes()))]
    asked = {"question": json.dumps({"hit": second, "grid": 3})}
    assert api.post("/galleries/small/explain", files=sent, data=asked).json() == by_id
    api.post("/galleries/small/explain", {"hit": second}, 400)


def test_pictures_that_are_sent_can_be_searched_when_their_job_has_ended(api, tmp_path) -> None:
    sent = [draw(tmp_path / f"{seed}.png", seed) for seed in (100, 101)]
    files = [("picture", (file.name, file.read_bytes())) for file in sent] + [("picture", ("note.png", b"no picture"))]
    answer = api.post(
        "/galleries/small/pictures", files=files, data={"question": '{"label": "vase"}'}, status=202
    ).json()
    assert [one["name"] for one in answer["refused"]] == ["note.png"]
    finished(api, answer["job"])
    listed = api.get("/galleries/small/pictures", params={"where": "label=vase"}).json()["pictures"]
    assert len(listed) == 2
    assert api.client.get(listed[0]["original"]).content in [file.read_bytes() for file in sent]


def test_a_new_gallery_is_made_filled_from_a_zip_and_deleted(api, tmp_path) -> None:
    api.post("/galleries", {"name": "new", "title": "A new one"}, 201)
    api.post("/galleries", {"name": "new"}, 409)
    api.post("/galleries/new/search", {"ids": []}, 400)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for seed in range(3):
            archive.write(draw(tmp_path / f"{seed}.png", 200 + seed), f"mug/{seed}.png")
    files = [("picture", ("all.zip", packed.getvalue()))]
    data = {"question": json.dumps({"encoder": SPEC})}
    job = finished(api, api.post("/galleries/new/pictures", files=files, data=data, status=202).json()["job"])
    assert job["verb"] == "ingest"
    assert api.get("/galleries/new").json()["rows"] == 3
    assert api.client.delete("/api/v1/galleries/new").json()["changed"] == 3
    api.get("/galleries/new", 404)
    assert not (api.home / "galleries" / "new").exists()


@pytest.mark.parametrize("label", ["../up", "a/b", "con", ".hidden", "x" * 90 + "é" * 40])
def test_a_label_that_no_folder_can_have_is_refused(api, label: str) -> None:
    files = [("picture", ("a.png", api.file()))]
    answer = api.client.post(
        "/api/v1/galleries/small/pictures", files=files, data={"question": json.dumps({"label": label})}
    )
    assert answer.status_code in (400, 422), answer.text
    assert not list(api.gallery.originals.glob("*"))


def test_a_job_is_followed_to_its_end_and_its_report_is_read_in_pages(api) -> None:
    for address in ("duplicates", "clusters", "label-errors", "outliers"):
        assert "start the job" in api.get(f"/galleries/small/{address}", 404).json()["detail"]
    job = api.post("/galleries/small/jobs", {"verb": "duplicates", "tier": ["lookalike"], "threshold": -1}, 202).json()
    told = api.client.get(job["events"])
    assert told.headers["content-type"].startswith("text/event-stream")
    *_, last = told.text.strip().split("\n\n")
    kind, data = last.split("\n")
    assert kind == "event: end"
    assert json.loads(data.removeprefix("data: "))["state"] == "done"
    report = api.get("/galleries/small/duplicates", params={"limit": 1}).json()
    assert [group["tier"] for group in report["groups"]] == ["lookalike"]
    assert len(report["groups"][0]["members"]) == 9, "every pair scores more than -1"


def test_clusters_name_their_pictures(api) -> None:
    asked = {"verb": "cluster", "method": "kmeans", "clusters": 3}
    finished(api, api.post("/galleries/small/jobs", asked, 202).json())
    seen: list[str] = []
    after = ""
    for number in range(3):
        page = api.get("/galleries/small/clusters", params={"limit": 1, "after": after}).json()
        [cluster] = page["clusters"]
        after = page["next_after"] or ""
        members = api.get("/galleries/small/pictures", params={"cluster": number}).json()["pictures"]
        assert len(members) == cluster["size"]
        seen += [one["id"] for one in members]
    assert (sorted(seen), after) == (api.ids, "")
    api.get("/galleries/small/pictures", 404, params={"cluster": 3})
    api.get("/galleries/small/clusters", 400, params={"after": "../../x:1"})


def test_label_errors_and_outliers_are_listed(api) -> None:
    for verb in ("label-errors", "outliers"):
        finished(api, api.post("/galleries/small/jobs", {"verb": verb}, 202).json())
    doubts = api.get("/galleries/small/label-errors").json()["doubts"]
    outliers = api.get("/galleries/small/outliers").json()["outliers"]
    assert [one["rank"] for one in outliers] == [*range(1, len(outliers) + 1)]
    assert all(set(one["hits"]) <= set(api.ids) for one in [*doubts, *outliers])


def test_a_job_is_stopped_and_one_that_is_not_there_is_not(api) -> None:
    job = jobs.start(("tests.idle_job", "60", "1"), title="idle")
    while jobs.state(job).output != "idle":
        time.sleep(0.05)
    api.client.delete(f"/api/v1/jobs/{job.id}")
    while jobs.state(job).running:
        time.sleep(0.05)
    assert api.get(f"/jobs/{job.id}").json()["state"] in ("stopped", "failed")
    assert job.id in [one["id"] for one in api.get("/jobs").json()["jobs"]]
    for name in ("none", "%2e%2e%2f..", "20260101-000000-aaaaaa"):
        api.get(f"/jobs/{name}", 404)


def test_streams_are_counted(api, monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs.start(("tests.idle_job", "0", "1"), title="idle")
    monkeypatch.setattr(api_jobs, "_open_streams", api_jobs.MAX_STREAMS)
    assert api.get(f"/jobs/{job.id}/events", 429).headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/galleries/small/pictures/remove", "write"),
        ("POST", "/galleries/small/tags", "write"),
        ("POST", "/galleries/small/jobs", "write"),
        ("POST", "/galleries", "admin"),
        ("DELETE", "/galleries/small", "admin"),
    ],
)
def test_each_change_asks_for_its_scope(api, method: str, path: str, scope: str) -> None:
    below = tokens.SCOPES[tokens.SCOPES.index(scope) - 1]
    head = {"Authorization": f"Bearer {tokens.add(api.home, 'one', below)}"}
    problem = api.client.request(method, f"/api/v1{path}", headers=head, json={})
    assert problem.status_code == 403
    assert f"needs the scope {scope}" in problem.json()["detail"]
