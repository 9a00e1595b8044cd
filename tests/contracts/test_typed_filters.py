"""Ranges, dates, sizes, folders, `or` and `not` choose the same rows in memory, in Milvus Lite and on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline import filters, plugins
from pipeline.errors import UsageError
from pipeline.filters.clauses import Clause, Either, Filter
from pipeline.filters.values import containing
from pipeline.records import Rows, VectorStore
from pipeline.schema import Row

pytest_plugins = ("milvus_server",)

DIM, N, KEYS = 4, 240, ("price", "taken", "note", "width", 'a "b"')
PRICES = ["", "0", "-3.5", "5", "5.0", "19.90", "20", "1,234.5", "0,75", "1e3", "free", "2024", "007", "9" * 30, "1e-7"]
DATES = [
    "", "2024", "2024-05", "2024-05-31 23:59:59", "2024-06-01", "01.06.2024", "May 3, 2024", "2024:05:03 14:07:09",
    "13/5/2024", "3/5/2024", "2024-05-03T23:30+09:00", "1066-10-14", "yesterday", "2999-12-31",
]  # fmt: skip
FOLDERS = ["", "beach", "beach/2024", "beach0", "beach/a%b_c", "Café", "文/字", "Beach"]


@pytest.fixture(scope="module", params=["exact", "lite", pytest.param("server", marks=pytest.mark.server)])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[VectorStore, Rows]]:
    spec = {"exact": "exact", "lite": f"milvus:uri={tmp_path_factory.mktemp('lite') / 'milvus.db'}"}.get(request.param)
    store: VectorStore = plugins.build("stores", spec or f"milvus:uri={request.getfixturevalue('milvus_server').uri}")
    rows = typed_rows()
    store.create("typed", dim=DIM, metadata_keys=KEYS)
    store.upsert("typed", rows)
    yield store, rows
    store.drop("typed")
    store.close()


def typed_rows() -> Rows:
    embeddings = np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float32)
    records = [
        vars(
            Row(
                id=f"{i:032x}",
                path="/".join(filter(None, [FOLDERS[i % len(FOLDERS)], f"{i}.jpg"])),
                label=("cup", "2024-05", "5..7", "cup or bowl")[i % 4],
                width=100 * (i % 9),
                height=3 + i,
                metadata={
                    "price": PRICES[i % len(PRICES)], "taken": DATES[i % len(DATES)], "note": DATES[(i + 3) % len(DATES)],
                    "width": PRICES[(i + 5) % len(PRICES)], 'a "b"': PRICES[(i + 7) % len(PRICES)],
                } if i % 11 else {},
            )
        )
        for i in range(N)
    ]  # fmt: skip
    return Rows(pd.DataFrame(records).astype({"width": "int64", "height": "int64"}), embeddings)


def assert_alike(filled: tuple[VectorStore, Rows], where: Filter) -> set[str]:
    store, rows = filled
    asked = containing(where, lambda: rows.table)
    [hits] = store.search("typed", rows.embeddings[:1], k=N, where=asked)
    found, truth = {hit.id for hit in hits}, set(rows.table["id"][filters.mask(where, rows.table)])
    assert found == truth, where
    return found


bounds = st.sampled_from(
    ["0", "5", "-3.5", "20", "1234.5", "700", "2024", "2024-05", "2024-05-03 14:07", "1e-7", "1e40", "0.5"]
)
ranges = st.tuples(
    st.sampled_from(["", "0", "5", "2023", "2024-05", "100.5"]), st.sampled_from(["", "20", "2024-05", "2025", "800"])
)
values = bounds | ranges.map("..".join) | st.sampled_from(PRICES + DATES)
fields = st.sampled_from(["price", "taken", "note", 'a "b"', "no such key"])
parts = st.sampled_from(["a", "0", "beach", "MAY", "free", "24-05", "é", "%", "_", "5..", "zzz", "2"])
leaves = st.one_of(
    st.builds(lambda field, some, negate: (field, tuple(some), negate, "="), fields, st.lists(values, min_size=1, max_size=3), st.booleans()),
    st.builds(lambda field, one, negate, sign: (field, (one,), negate, sign), fields | st.just("height") | st.just("width"),
              st.sampled_from(["0", "-3.5", "20", "20.5", "700", "1e40", "-1e40"]), st.booleans(), st.sampled_from(["<", "<=", ">", ">="])),
    st.builds(lambda field, one, negate, sign: (field, (one,), negate, sign), fields, bounds, st.booleans(), st.sampled_from(["<", "<=", ">", ">="])),
    st.builds(lambda one, negate: ("width", (one,), negate, "="), st.sampled_from(["100", "100..300", "..250.5", "0.1.."]), st.booleans()),
    st.builds(lambda field, one, negate: (field, (one,), negate, "~"), st.sampled_from(["label", "path", "folder", "note", "price"]), parts, st.booleans()),
    st.builds(lambda some, negate: ("folder", tuple(some), negate, "="), st.lists(st.sampled_from(FOLDERS[1:]), min_size=1, max_size=3), st.booleans()),
    st.builds(lambda one, negate: ("id", (f"{one:032x}", "nothing"), negate, "="), st.integers(0, N), st.booleans()),
    st.builds(lambda one, negate: ("label", (one,), negate, "="), st.sampled_from(["cup", "2024-05", "5..7", "cup or bowl"]), st.booleans()),
).map(lambda given: Clause(*given))  # fmt: skip
nested = st.recursive(
    st.lists(leaves, max_size=3).map(lambda some: Filter(tuple(some))),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda some: Filter((Either(tuple(some)),))),
    max_leaves=4,
)


def settled(where: Filter) -> Filter | None:
    try:
        return filters.check(where, [*(key for key in KEYS if key != "width"), "no such key"])
    except UsageError:
        return None


@given(nested)
@example(Filter((Clause("taken", ("2024-05",), negate=True),)))
@example(Filter((Clause("price", ("20",), negate=True, operator="<"),)))
@example(Filter((Either((Filter(), Filter((Clause("label", ("nothing",)),)))),)))
@settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_filter_chooses_what_the_mask_chooses(filled: tuple[VectorStore, Rows], where: Filter) -> None:
    if (asked := settled(where)) is not None:
        found = assert_alike(filled, asked)
        assert assert_alike(filled, asked.turned()) == set(filled[1].table["id"]) - found


@pytest.mark.parametrize(
    ("typed", "holds"),
    [
        ("price<20", lambda i: price(i) is not None and price(i) < 20),
        ("price=5..20", lambda i: price(i) is not None and 5 <= price(i) <= 20),
        ("not price<20", lambda i: price(i) is None or price(i) >= 20),
        ("price>=1234.5 or price=free", lambda i: (price(i) or 0) >= 1234.5 or text("price", i) == "free"),
        ("taken=2024-05", lambda i: text("taken", i) in MAY),
        ("taken=2024-05..2024-08", lambda i: text("taken", i) in {*MAY, "2024-06-01", "01.06.2024"}),
        ("taken>2024-05", lambda i: text("taken", i) in {"2024-06-01", "01.06.2024", "2999-12-31"}),
        ("taken<2024", lambda i: text("taken", i) == "1066-10-14"),
        ("width>=400 and height<100", lambda i: 100 * (i % 9) >= 400 and 3 + i < 100),
        ("folder=beach", lambda i: FOLDERS[i % 8] in ("beach", "beach/2024", "beach/a%b_c")),
        ("folder!=beach,Café", lambda i: FOLDERS[i % 8] not in ("beach", "beach/2024", "beach/a%b_c", "Café")),
        ("label=cup or bowl", lambda i: i % 4 == 3),
        ("label=5..7", lambda i: i % 4 == 2),
        ("orientation=portrait,square", lambda i: 100 * (i % 9) <= 3 + i),
        ("orientation!=portrait", lambda i: 100 * (i % 9) >= 3 + i),
        ("not orientation=landscape,square,portrait", lambda i: False),
        ("label~CUP", lambda i: i % 4 in (0, 3)),
    ],
)  # fmt: skip
def test_what_is_typed_finds_what_a_loop_finds(filled: tuple[VectorStore, Rows], typed: str, holds: object) -> None:
    where = settled(filters.parse([typed]))
    assert where is not None
    assert assert_alike(filled, where) == {f"{i:032x}" for i in range(N) if holds(i)}  # type: ignore[operator]


MAY = {"2024-05", "2024-05-31 23:59:59", "May 3, 2024", "2024:05:03 14:07:09", "13/5/2024", "2024-05-03T23:30+09:00"}


def text(key: str, i: int) -> str:
    return {"price": PRICES[i % len(PRICES)], "taken": DATES[i % len(DATES)]}[key] if i % 11 else ""


def price(i: int) -> float | None:
    known = {"1,234.5": 1234.5, "0,75": 0.75, "free": None, "": None}
    written = text("price", i)
    return known[written] if written in known else float(written)


def test_a_metadata_column_called_like_a_size_is_what_its_filter_means(filled: tuple[VectorStore, Rows]) -> None:
    of_sizes, of_metadata = (filters.check(filters.parse(["width>=400"]), keys) for keys in ((), KEYS))
    assert assert_alike(filled, of_sizes) == {f"{i:032x}" for i in range(N) if 100 * (i % 9) >= 400}
    found = assert_alike(filled, of_metadata)
    assert found == {
        f"{i:032x}" for i in range(N) if i % 11 and PRICES[(i + 5) % 15] in ("1,234.5", "1e3", "2024", "9" * 30)
    }
