"""An upload is found again by the browser that brought it, for a while, and by nobody else."""

from __future__ import annotations

import re

import own_loop

from app.server import kept_uploads
from app.server.kept_uploads import MAX_EACH, MINUTES, KeptUploads
from app.server.pictures import Upload
from app.server.streamlit_gaps import PageBase
from app.server.visits import COOKIE, Visits

PAGE = b"<!DOCTYPE html><html><head><title>x</title></head><body></body></html>"


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def store(one: int = 10_000, everybody: int = 100_000) -> tuple[KeptUploads, Clock]:
    clock = Clock()
    return KeptUploads(lambda: (one, everybody), now=clock), clock


def upload(number: int, size: int = 100) -> Upload:
    return Upload(number.to_bytes(4, "big") * (size // 4), name=f"{number}.png")


def name(one: Upload) -> str:
    return kept_uploads.named(one)


def test_the_browser_that_brought_it_finds_it_and_no_other() -> None:
    kept, _ = store()
    kept.keep("me", upload(1))
    assert kept.find("me", name(upload(1))) == upload(1)
    assert kept.find("you", name(upload(1))) is None
    assert kept.find("", name(upload(1))) is None
    kept.keep("", upload(2))
    assert kept.find("", name(upload(2))) is None


def test_it_goes_after_a_while_and_each_question_keeps_it_longer() -> None:
    kept, clock = store()
    kept.keep("me", upload(1))
    clock.seconds = 60 * MINUTES - 1
    assert kept.find("me", name(upload(1)))
    clock.seconds += 60 * MINUTES - 1
    assert kept.find("me", name(upload(1)))
    clock.seconds += 60 * MINUTES + 1
    kept.let_go()
    assert kept.find("me", name(upload(1))) is None


def test_what_was_used_longest_ago_makes_room_first_of_ones_own_then_of_all() -> None:
    kept, _ = store(one=450, everybody=800)
    for number in range(5):
        kept.keep("me", upload(number))
    assert [bool(kept.find("me", name(upload(n)))) for n in range(5)] == [False, True, True, True, True]
    for number in range(4):
        kept.keep("you", upload(number))
    assert all(kept.find("me", name(upload(n))) for n in (1, 2, 3, 4))  # 800 bytes are there
    kept.keep("they", upload(9))
    assert sum(bool(kept.find(who, name(upload(n)))) for who in ("me", "you", "they") for n in (*range(5), 9)) == 8
    assert kept.find("they", name(upload(9)))


def test_a_browser_keeps_so_many() -> None:
    kept, _ = store()
    for number in range(MAX_EACH + 3):
        kept.keep("me", upload(number, 8))
    assert sum(bool(kept.find("me", name(upload(n, 8)))) for n in range(MAX_EACH + 3)) == MAX_EACH


def test_the_name_says_which_part_is_asked_with() -> None:
    whole = upload(1)
    assert re.fullmatch("[0-9a-f]{8}", kept_uploads.named(whole))
    assert kept_uploads.named(Upload(whole.data, (1, 2, 3, 4))) == f"{whole.id[:8]}@1,2,3,4"


def asked(
    middleware: type, *, cookie: str = "", accept: str = "text/html", path: str = "/explore"
) -> tuple[dict, bytes]:
    """Headers and body of a page behind the middleware."""
    messages: list[dict] = []

    async def page(scope: dict, receive: object, send: object) -> None:
        head = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(PAGE)).encode())]
        assert not (middleware is PageBase and any(key == b"accept-encoding" for key, _ in scope["headers"]))
        await send({"type": "http.response.start", "status": 200, "headers": head})  # type: ignore[operator]
        for start in range(0, len(PAGE), 10):
            more = start + 10 < len(PAGE)
            await send({"type": "http.response.body", "body": PAGE[start : start + 10], "more_body": more})  # type: ignore[operator]

    async def send(message: dict) -> None:
        messages.append(message)

    headers = [(b"accept", accept.encode()), (b"accept-encoding", b"gzip"), (b"cookie", cookie.encode())]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "scheme": "https"}
    own_loop.run(middleware(page)(scope, None, send))
    body = b"".join(message.get("body", b"") for message in messages)
    return {key.decode(): value.decode() for key, value in messages[0]["headers"]}, body


def test_the_first_page_brings_a_cookie_that_no_script_reads_and_later_ones_do_not() -> None:
    headers, body = asked(Visits)
    assert body == PAGE
    found = re.fullmatch(rf"({COOKIE}=[\w-]{{43}}); Path=/; HttpOnly; SameSite=Lax; Secure", headers["set-cookie"])
    assert found
    assert "set-cookie" not in asked(Visits, cookie=found[1])[0]
    assert asked(Visits, cookie=f"{COOKIE}=forged")[0]["set-cookie"] != headers["set-cookie"]


def test_a_page_is_told_where_the_app_begins_and_its_length_is_right() -> None:
    headers, body = asked(PageBase)
    assert int(headers["content-length"]) == len(body)
    assert body.startswith(b"<!DOCTYPE html><html><head><script>window.__streamlit=")
    assert b"explore|galleries" in body
    assert body.endswith(PAGE.partition(b"<head>")[2])
