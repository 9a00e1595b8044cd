"""What an agent is told of hard cases: where each stands, and which pictures are like a detector's failures."""

from __future__ import annotations

from urllib.parse import quote

from pipeline.access.client import Hit, Problem, Semblance
from pipeline.access.questions import query_of

MAX_NEEDLES = 3  # named of a picture


def told(api: Semblance, case: str, after: str, *, most: int, digits: int) -> tuple[list[str], str, list[Hit]]:
    """Lines, the likeliest pictures first; the gallery that they are of, and they themselves. case: '' = all, in a line each.

    most: pictures. digits: of an id that a line has.
    """
    if not case:
        page = api.call("GET", f"/hard-cases{query_of(after=after)}")
        lines = [f"{one['name']}: round {one['rounds']}, next {one['next']}; {one['title']}" for one in page["cases"]]
        more = [f"there is more: ask with after={page['next_after']}"] if page["next_after"] else []
        return [*(lines or ["no case has been begun"]), *more], "", []
    address = f"/hard-cases/{quote(case, safe='', errors='surrogatepass')}"
    about = api.call("GET", address)
    lines = [f"{one['name']}: {one['state']}{'; ' if one['outcome'] else ''}{one['outcome']}" for one in about["steps"]]
    try:
        page = api.call("GET", f"{address}/shortlist{query_of(after=after, limit=most)}")
    except Problem as problem:
        if problem.kind != "conflict":
            raise
        return [*lines, problem.detail], "", []
    lines.append(f"{page['pictures']} pictures on the shortlist, in the gallery {page['gallery']}:")
    for one in page["candidates"]:
        near = ", ".join(one["needles"][:MAX_NEEDLES])
        lines.append(f"{one['rank']}. {one['id'][:digits]} {one['score']:.3f} near {near}")
    lines += [f"there is more: ask with after={page['next_after']}"] if page["next_after"] else []
    return (
        lines,
        page["gallery"],
        [Hit(one["rank"], one["id"], one["path"], "", one["score"]) for one in page["candidates"]],
    )
