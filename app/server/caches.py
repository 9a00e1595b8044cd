"""What sessions share and could make again, bounded in bytes: the value used longest ago goes first."""

from __future__ import annotations

import itertools
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")
SAMPLE = 1_000  # elements of a long collection that are weighed for all


class Cache(Generic[Value]):
    """At most `limit` bytes by `size_of`; safe from many threads. What it gives is shared, so nobody may change it.

    The newest value stays even when it alone is larger, else it would be made again at every look.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0  # bytes
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Value) -> Value:
        size = size_of(value)
        with self._lock:
            self.held += size - self._values.pop(key, (value, 0))[1]
            self._values[key] = value, size
            while self.held > self.limit and len(self._values) > 1:
                self.held -= self._values.popitem(last=False)[1][1]
        return value

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
            self.held = 0

    def made(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value, made when it is not there: once, however many ask at the same moment."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            value = self.get(key)
            if value is None:
                try:
                    value = self.put(key, make())
                finally:
                    with self._lock:
                        self._making.pop(key, None)
        return value


def size_of(value: Any) -> int:
    """Bytes that a value keeps alive: arrays, tables, texts and what collections and objects hold of them.

    Of a collection of more than SAMPLE elements that many, evenly chosen, are weighed for all. What two of them share
    counts twice at most, so a size errs high.
    """
    return _weighed(value, set())


def _weighed(value: Any, seen: set[int]) -> int:
    if value is None or isinstance(value, bool | int | float | type) or id(value) in seen:
        return 0
    if isinstance(value, str | bytes | bytearray):
        return sys.getsizeof(value)
    seen.add(id(value))
    module = type(value).__module__.partition(".")[0]
    if module == "pandas":
        return _of_pandas(value, seen)
    if module == "numpy":
        return int(value.nbytes) + (_of_many(value.ravel(), seen) if value.dtype == object else 0)
    inner = list(getattr(value, "__dict__", {}).values())
    size = sys.getsizeof(value) + sum(_weighed(one, seen) for one in inner)
    if isinstance(value, dict):
        return size + _of_many(value, seen) + _of_many(value.values(), seen)
    return size + (_of_many(value, seen) if isinstance(value, list | tuple | set | frozenset) else 0)


def _of_pandas(value: Any, seen: set[int]) -> int:
    columns = [value[name] for name in value.columns] if value.ndim == 2 else [value] if hasattr(value, "array") else []
    size = int(value.index.memory_usage()) if hasattr(value, "index") else 0
    for column in columns:
        nested = column.dtype == object
        size += int(column.memory_usage(index=False, deep=not nested))
        size += _of_many(column.to_numpy(), seen) if nested else 0
    return size


def _of_many(values: Collection[Any], seen: set[int]) -> int:
    count = len(values)
    if count <= SAMPLE:
        return sum(_weighed(one, seen) for one in values)
    weights = [_weighed(one, seen) for one in itertools.islice(values, 0, None, -(-count // SAMPLE))]
    return round(sum(weights) * count / len(weights))
