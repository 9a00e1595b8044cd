"""Every example of the OpenAPI document is answered, and every answer is what the document says it is."""

from __future__ import annotations

import json

import pytest

from app.api import types
from app.api.operations import Operation
from app.api.routes import OPERATIONS


def examples(type_) -> list[dict]:  # type: ignore[no-untyped-def,type-arg]
    extra = type_.model_config.get("json_schema_extra") if type_ else None
    return list(extra["examples"]) if extra else [{}]


CASES = [
    pytest.param(one, query, body, id=f"{one.name}-{n}")
    for one in OPERATIONS
    for n, (query, body) in enumerate((q, b) for q in examples(one.query) for b in examples(one.body))
]


@pytest.mark.parametrize(("one", "query", "body"), CASES)
def test_an_example_is_answered_as_the_document_says(api, one: Operation, query: dict, body: dict) -> None:
    ids = api.ids

    def real(value: object):  # type: ignore[no-untyped-def]
        return json.loads(json.dumps(value).replace(types.ID, ids[0]).replace(types.OTHER_ID, ids[1]))

    names = {"gallery": "small", "id": ids[0], "kind": "usage", "job": "20260101-000000-aaaaaa", "case": "street"}
    path = f"/api/v1{one.path}".format(**names)
    more: dict = {"params": real(query)}  # type: ignore[type-arg]
    if one.name == "restore_pictures":
        api.gallery.remove(real(body)["ids"])
    if one.name == "keep_feedback":  # an empty list makes no triplet, which is told
        body = body | {"unlike": [ids[2]]}
    if one.name == "add_pictures":
        more |= {"files": [("picture", ("a.png", api.file()))], "data": {"question": json.dumps(real(body))}}
    elif one.body:
        more |= {"json": real(body)}
    answer = api.client.request(one.method, path, **more)
    unknown = (
        "job" in one.parameters
        or "case" in one.parameters
        or one.name.startswith(("get_dup", "get_clu", "get_lab", "get_out"))
    )
    assert answer.status_code == (404 if unknown else one.status), answer.text
    if not isinstance(one.answer, str) and not unknown:
        one.answer.model_validate(answer.json())
