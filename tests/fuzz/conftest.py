from __future__ import annotations

from collections.abc import Iterator

import pytest
from cases import write_counts


@pytest.fixture(scope="session", autouse=True)
def _counts() -> Iterator[None]:
    yield
    write_counts()
