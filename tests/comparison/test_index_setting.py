"""From a measured index to the setting of a gallery, and the verb that gives it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_gallery import fill, lite, photos, run

from pipeline.comparison import index_advice
from pipeline.errors import UsageError
from pipeline.stores import _index_spec


@pytest.mark.parametrize(
    ("spec", "setting"),
    [
        ("milvus:index=HNSW,ef=64", "hnsw:ef=64"),
        ("milvus:index=HNSW,m=8,ef=64", "hnsw:ef=64,m=8"),
        ("milvus", "hnsw"),
        ("milvus:index=FLAT", "flat"),
        ("milvus:index=IVF_FLAT,nprobe=4,uri=http://host:19530", "ivf_flat:nprobe=4"),
        ("milvus:index=DISKANN,ef=64", "diskann:ef=64"),
        ("milvus:index=IVF_RABITQ,nprobe=16", "ivf_rabitq:nprobe=16"),
        ("milvus:index=SCANN,nprobe=16", ""),
        ("faiss_hnsw:ef=64", ""),
    ],
)
def test_a_measured_index_of_milvus_becomes_a_setting(spec: str, setting: str) -> None:
    assert index_advice.setting_of(spec) == setting
    if setting:
        assert index_advice.checked_setting(setting) == setting
        assert _index_spec.read(setting).kind == setting.partition(":")[0]


def test_every_kind_that_can_be_chosen_is_one_that_a_store_knows() -> None:
    assert set(index_advice.KINDS) <= set(_index_spec.KINDS)


def test_what_a_gallery_cannot_have_is_refused_with_what_it_can() -> None:
    with pytest.raises(UsageError, match="choose from auto, flat, hnsw"):
        index_advice.checked_setting("annoy")


def test_the_verb_changes_the_index_and_fills_it(home: Path, tmp_path: Path) -> None:
    with lite() as store:
        gallery, _ = fill(photos(tmp_path / "photos", 12), store)
    done = run("set-index", "small", "hnsw:ef=100")
    assert (done.returncode, done.stdout) == (0, "small: 12 rows in Milvus Lite 3.2.2, index hnsw:ef=100\n")
    refused = run("set-index", "small", "hnsw:speed=1")
    assert refused.returncode == 1
    assert "hnsw has these settings: ef=NUMBER" in refused.stderr
    assert gallery.manifest()["index"] == "hnsw:ef=100"
    assert run("set-index", "small", "nonsense").returncode == 2
    assert "index flat" in run("set-index", "small", "auto").stdout
