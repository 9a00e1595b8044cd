"""Whatever is asked of the API, its answer is one that the OpenAPI document names, and tells nothing of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import MOST, Escape, cases, count
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from tiny_gallery import fill, photos

from app.api import guard, routes
from app.api.openapi import document
from app.server import store
from pipeline.gallery.gallery import Gallery

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: requirements-dev.txt has it")
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
]
APART = {"start_job", "follow_job", "delete_gallery"}  # start processes, last as long, take the others' gallery
NAMES = [one.name for one in routes.OPERATIONS if one.name not in APART]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gallery, Path]]:
    folder = tmp_path_factory.mktemp("machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMBLANCE_HOME", str(folder / "home"))
        patch.delenv("SEMBLANCE_MILVUS_URI", raising=False)
        patch.setenv("SEMBLANCE_API_RATE", "0")
        guard.rates = guard.Rates()
        made, _ = fill(photos(folder / "photos", 9))
        yield made, folder
        store.release()


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_answers_as_the_document_says(place: tuple[Gallery, Path], name: str) -> None:
    gallery, folder = place
    schema = schemathesis.openapi.from_dict(document())
    schema.app = Starlette(routes=[routes.mount()])
    operation = schema.find_operation_by_id(name)

    @settings(cases, max_examples=max(4, MOST // len(NAMES)))
    @given(case=operation.as_strategy(), there=st.booleans(), which=st.integers(0, 8))
    def answered(case, there: bool, which: int) -> None:  # type: ignore[no-untyped-def]
        count("questions to the API")
        if there:
            names = {"gallery": gallery.name, "id": sorted(gallery.ids())[which], "kind": "usage"}
            case.path_parameters.update({key: names[key] for key in case.path_parameters if key in names})
        answer = case.call()
        case.validate_response(answer, checks=CHECKS)
        if str(folder) in answer.text:
            raise Escape(f"{case.method} {case.formatted_path}: {answer.text[:200]}")

    answered()
