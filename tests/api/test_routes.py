"""What holds for every operation: ids, tags, pages, limits, problems, tokens; and nothing of this machine is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import streamlit_app
from app.api import guard, routes
from app.api.openapi import document
from app.api.problems import KINDS, Refused
from pipeline.access import tokens


def test_every_answer_has_a_request_id_and_keeps_one_that_is_given(api) -> None:
    assert re.fullmatch(r"[0-9a-f]{8}", api.get("/galleries").headers["x-request-id"])
    assert api.get("/galleries", headers={"X-Request-Id": "order-7"}).headers["x-request-id"] == "order-7"
    problem = api.get("/galleries/none", 404, headers={"X-Request-Id": "two words\t"})
    assert re.fullmatch(r"[0-9a-f]{8}", problem.json()["request_id"]), "no text of any kind gets into the log"
    assert problem.headers["x-request-id"] == problem.json()["request_id"]


def test_whoever_has_the_answer_already_is_told_so(api) -> None:
    first = api.get("/galleries/small")
    again = api.get("/galleries/small", 304, headers={"If-None-Match": first.headers["etag"]})
    assert again.content == b""
    api.gallery.remove(api.ids[:1])
    assert api.get("/galleries/small", headers={"If-None-Match": first.headers["etag"]}).json()["rows"] == 8


def test_pages_follow_each_other_and_hold_every_picture_once(api) -> None:
    seen, after = [], ""
    for _ in range(9):
        page = api.get("/galleries/small/pictures", params={"limit": 4, "after": after}).json()
        seen += [one["id"] for one in page["pictures"]]
        after = page["next_after"]
        if not after:
            break
    assert seen == api.ids


def test_a_page_goes_on_where_the_one_before_ended_also_when_that_picture_is_gone(api) -> None:
    first = api.get("/galleries/small/pictures", params={"limit": 4}).json()
    before = api.ids
    api.gallery.remove([one["id"] for one in first["pictures"]])
    rest = api.get("/galleries/small/pictures", params={"after": first["next_after"]}).json()
    assert [one["id"] for one in rest["pictures"]] == before[4:]


def test_a_filtered_list_is_what_the_filter_says(api) -> None:
    found = api.get("/galleries/small/pictures", params={"where": ["label=cup,bowl", "label!=bowl"]}).json()
    assert {one["label"] for one in found["pictures"]} == {"cup"}
    assert len(found["pictures"]) == 3


def test_the_original_is_the_file_and_the_thumbnail_is_not(api) -> None:
    picture = api.get(f"/galleries/small/pictures/{api.ids[0]}").json()
    original = api.client.get(picture["original"])
    assert original.content == (api.photos / picture["path"]).read_bytes()
    assert original.headers["content-type"] == "image/png"
    assert api.client.get(picture["thumbnail"]).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/galleries/none", 404),
        ("/galleries/..%2f..", 404),
        ("/galleries/small/pictures/" + "0" * 32, 404),
        ("/galleries/small/pictures/x/thumbnail", 404),
        ("/galleries/small/search", 405),
        ("/galleries?limit=0", 422),
        ("/galleries?limit=2&limit=3", 422),
        ("/galleries?colour=red", 422),
        ("/problems/none", 404),
    ],
)
def test_what_is_not_there_is_a_problem(api, path: str, status: int) -> None:
    answer = api.get(path, status)
    assert answer.headers["content-type"] == "application/problem+json"
    meaning = api.client.get(answer.json()["type"])
    assert meaning.json()["status"] == status


def test_a_fault_of_ours_tells_nothing_of_this_machine(api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError(f"{api.home}/secret")

    monkeypatch.setattr(type(api.gallery), "info", broken)
    problem = api.get("/galleries/small", 500)
    assert problem.json()["type"].endswith("/fault")
    assert str(api.home) not in problem.text


def test_no_answer_names_a_folder_of_this_machine(api) -> None:
    places = [str(api.home), str(api.photos), str(Path.home())]
    for path in ("/", "/galleries", "/galleries/small", "/galleries/small/pictures", "/openapi.json"):
        text = api.get(path).text
        assert not [place for place in places if place in text], path


def test_a_body_that_is_too_large_is_not_read(api) -> None:
    for more in ({"content": b" " * (2 << 20)}, {"content": iter([b" " * (1 << 20)] * 2)}):  # said, and found out
        problem = api.client.post(
            "/api/v1/galleries/small/similar", headers={"Content-Type": "application/json"}, **more
        )
        assert problem.status_code == 413, problem.text


def test_a_form_has_the_parts_it_is_said_to_have(api) -> None:
    for files in ([("photo", ("a.png", b"x", "image/png"))], [("picture", (f"{n}.png", b"x")) for n in range(9)]):
        assert api.post("/galleries/small/search", files=files, status=400).json()["type"].endswith("/usage")
    assert api.post("/galleries/small/search", content=b"{}", headers={"Content-Type": "text/plain"}, status=415)
    assert api.post("/galleries/small/search", content=b"{", headers={"Content-Type": "application/json"}, status=422)


def test_more_than_the_rate_is_refused_and_told_when_to_ask_again() -> None:
    rates = guard.Rates()
    for _ in range(20):
        rates.take("shop", 10, now=0.0)
    with pytest.raises(Refused) as refused:
        rates.take("shop", 10, now=0.0)
    assert refused.value.headers == {"Retry-After": "1"}
    rates.take("other", 10, now=0.0)
    rates.take("shop", 10, now=1.0)


def test_the_rate_is_that_of_the_setting(api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMBLANCE_API_RATE", "1")
    assert [api.client.get("/api/v1/galleries").status_code for _ in range(3)] == [200, 200, 429]


class TestTokens:
    def test_none_is_needed_on_ones_own_machine_until_the_first_is_made(self, api) -> None:
        assert api.get("/").json()["scope"] == "admin"
        tokens.add(api.home, "shop")
        problem = api.get("/", 401)
        assert problem.headers["www-authenticate"] == "Bearer"

    def test_a_token_may_do_what_its_scope_says(self, api) -> None:
        made = {scope: tokens.add(api.home, f"a-{scope}", scope) for scope in tokens.SCOPES}
        for scope, token in made.items():
            caller = api.get("/", headers={"Authorization": f"Bearer {token}"}).json()
            assert (caller["caller"], caller["scope"]) == (f"a-{scope}", scope)
        request = pytest.importorskip("starlette.requests").Request
        head = [(b"authorization", f"Bearer {made['read']}".encode())]
        with pytest.raises(Refused, match="needs the scope write"):
            guard.caller(request({"type": "http", "headers": head}), "write")

    def test_one_that_is_unknown_or_revoked_opens_nothing(self, api) -> None:
        token = tokens.add(api.home, "shop", "admin")
        tokens.revoke(api.home, "shop")
        tokens.add(api.home, "other")
        for given in (token, "", "sem_", "x" * 5000):
            api.get("/galleries", 401, headers={"Authorization": f"Bearer {given}"})
        api.get("/galleries", 401, headers={"Authorization": f"Basic {token}"})

    def test_the_file_holds_none_of_them(self, api) -> None:
        token = tokens.add(api.home, "shop")
        assert token not in (api.home / tokens.FILE).read_text()
        assert (api.home / tokens.FILE).stat().st_mode & 0o077 == 0

    def test_a_damaged_file_lets_nobody_in(self, api) -> None:
        token = tokens.add(api.home, "shop")
        (api.home / tokens.FILE).write_text('[{"name": "shop"}]')
        assert api.client.get("/api/v1/", headers={"Authorization": f"Bearer {token}"}).status_code == 409


class TestExposed:
    @pytest.fixture(autouse=True)
    def strangers(self, api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEMBLANCE_EXPOSED", "1")

    def test_it_is_off_until_somebody_turns_it_on(self, api, monkeypatch: pytest.MonkeyPatch) -> None:
        token = tokens.add(api.home, "shop")
        head = {"Authorization": f"Bearer {token}"}
        assert api.get("/", 404, headers=head).json()["type"].endswith("/off")
        monkeypatch.setenv("SEMBLANCE_API", "1")
        api.get("/", headers=head)

    def test_nobody_comes_in_without_a_token(self, api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEMBLANCE_API", "1")
        api.get("/galleries", 401)

    def test_a_picture_is_decoded_where_it_can_do_no_harm(self, api, monkeypatch: pytest.MonkeyPatch) -> None:
        from pipeline.images import sandbox

        monkeypatch.setenv("SEMBLANCE_API", "1")
        head = {"Authorization": f"Bearer {tokens.add(api.home, 'shop')}"}
        asked, real = [], sandbox.open_image
        monkeypatch.setattr(sandbox, "open_image", lambda data, full: asked.append(data) or real(data, full=full))
        other = api.file(3) + b"\0"  # never opened before
        api.post("/galleries/small/search", files=[("picture", ("a.png", other))], headers=head)
        assert asked == [other]


def test_the_app_has_it_among_its_routes(api) -> None:
    client = TestClient(Starlette(routes=streamlit_app.app._user_routes))
    assert client.get("/api/v1/galleries").json()["galleries"][0]["name"] == "small"
    assert client.get("/api/v1").json()["name"] == "Semblance", "and no page of the app"


def test_the_document_names_every_operation_and_a_meaning_for_every_problem() -> None:
    made = document()
    assert made["openapi"].startswith("3.1")
    named = {(path, method) for path, methods in made["paths"].items() for method in methods}
    assert named == {(one.path, one.method.lower()) for one in routes.OPERATIONS}
    names = [one["operationId"] for methods in made["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)
    for path, methods in made["paths"].items():
        for one in methods.values():
            assert one["summary"], path
            assert {int(status) for status in one["responses"]} - {200, 201, 202} <= {
                kind[0] for kind in KINDS.values()
            }
