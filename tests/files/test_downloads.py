"""Downloads over bad lines: what arrives is the file, whole, or there is no file and a sentence says why."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from file_server import Site, serving

from pipeline.errors import SemblanceError, UsageError
from pipeline.files import downloads

DATA = random.Random(0).randbytes(1_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
download = partial(downloads.download, pause=0.001, timeout=5.0)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site(files={"/file.zip": DATA})) as site:
        yield site


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "file.zip"


def begin(site: Site, target: Path, size: int = 300_000) -> None:
    """A first call that breaks off after `size` bytes."""
    site.cuts = [size, 0]
    with pytest.raises(SemblanceError, match=f"{size:,} bytes are kept"):
        download(f"{site.address}/file.zip", target, attempts=1)
    assert target.with_name("file.zip.part").stat().st_size == size


def alone(target: Path) -> bool:
    return [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(site: Site, target: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    url = f"{site.address}/file.zip"
    assert download(url, target, sha256=SHA256, progress=lambda *step: steps.append(step)) == target
    assert target.read_bytes() == DATA
    assert alone(target)
    assert steps[0] == ("download file.zip", 0, len(DATA))
    assert steps[-1] == ("download file.zip", len(DATA), len(DATA))
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)


def test_a_file_that_is_there_is_not_fetched_again(site: Site, target: Path) -> None:
    for _ in range(2):
        download(f"{site.address}/file.zip", target, sha256=SHA256)
    assert len(site.asked) == 1


def test_a_server_that_does_not_say_the_length_is_good_enough(site: Site, target: Path) -> None:
    site.says_length = False
    assert download(f"{site.address}/file.zip", target).read_bytes() == DATA


def test_a_broken_transfer_goes_on_where_it_broke(site: Site, target: Path) -> None:
    site.cuts = [300_000, 200_000]
    download(f"{site.address}/file.zip", target, sha256=SHA256)
    assert target.read_bytes() == DATA
    assert [wanted for _, wanted in site.asked] == ["", "bytes=300000-", "bytes=500000-"]


def test_a_later_call_goes_on_where_an_earlier_one_broke(site: Site, target: Path) -> None:
    begin(site, target)
    assert not target.exists()
    download(f"{site.address}/file.zip", target, sha256=SHA256)
    assert target.read_bytes() == DATA
    assert site.asked[-1] == ("/file.zip", "bytes=300000-")
    assert alone(target)


@pytest.mark.parametrize("seed", range(5))
def test_wherever_the_line_breaks_the_bytes_are_the_same(site: Site, target: Path, seed: int) -> None:
    site.cuts = [random.Random(seed + n).choice([1, 7, 65_536, 262_144, 262_145]) for n in range(12)]
    assert download(f"{site.address}/file.zip", target).read_bytes() == DATA


def test_steady_gains_are_never_given_up(site: Site, target: Path) -> None:
    site.always_cut = 50_000
    assert download(f"{site.address}/file.zip", target, attempts=2).read_bytes() == DATA
    assert len(site.asked) == 20


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_sends_nothing_more_is_given_up(site: Site, target: Path, ranges: bool) -> None:
    site.ranges = ranges
    site.always_cut = 1_000 if not ranges else 0
    with pytest.raises(SemblanceError, match="the connection broke"):
        download(f"{site.address}/file.zip", target, attempts=3)
    assert len(site.asked) <= 4
    assert not target.exists()


def test_a_server_that_ignores_ranges_is_asked_for_everything_again(site: Site, target: Path) -> None:
    begin(site, target)
    site.ranges = False
    assert download(f"{site.address}/file.zip", target).read_bytes() == DATA


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changed_meanwhile_is_never_stitched_to_the_old_one(
    site: Site, target: Path, heeds_if_range: bool
) -> None:
    begin(site, target)
    site.files["/file.zip"], site.etag, site.heeds_if_range = DATA[::-1], '"2"', heeds_if_range
    assert download(f"{site.address}/file.zip", target).read_bytes() == DATA[::-1]


@pytest.mark.parametrize("size", [299_000, 300_000, 300_001, 2_000_000])
def test_without_an_etag_a_change_of_size_is_enough_to_start_again(tmp_path: Path, size: int) -> None:
    target, changed = tmp_path / "file.zip", random.Random(1).randbytes(size)
    with serving(Site(files={"/file.zip": DATA}, etag="")) as site:
        begin(site, target)
        site.files["/file.zip"] = changed
        assert download(f"{site.address}/file.zip", target).read_bytes() == changed


def test_a_weak_etag_is_not_taken_as_proof_of_the_same_bytes() -> None:
    assert downloads._version("u", {"ETag": 'W/"1"', "Content-Length": "9"}, whole=True) == downloads.Version(
        "u", "", 9
    )


@pytest.mark.parametrize("size", [300_000, len(DATA)])
def test_a_part_from_another_address_is_not_gone_on_with(site: Site, target: Path, size: int) -> None:
    begin(site, target)
    target.with_name("file.zip.part").write_bytes(DATA[:size])
    site.files["/other.zip"] = DATA[::-1]
    assert download(f"{site.address}/other.zip", target).read_bytes() == DATA[::-1]
    assert [wanted for path, wanted in site.asked if path == "/other.zip"] == [""]


@pytest.mark.parametrize("note", ["", "[]", '{"url": 1, "colour": 2}'])
def test_a_part_of_unknown_origin_is_not_gone_on_with(site: Site, target: Path, note: str) -> None:
    begin(site, target)
    target.with_name("file.zip.part.json").write_text(note)
    assert download(f"{site.address}/file.zip", target).read_bytes() == DATA
    assert site.asked[-1] == ("/file.zip", "")


def test_a_whole_part_needs_no_more_requests(site: Site, target: Path) -> None:
    begin(site, target)
    target.with_name("file.zip.part").write_bytes(DATA)
    asked = len(site.asked)
    assert download(f"{site.address}/file.zip", target, sha256=SHA256).read_bytes() == DATA
    assert len(site.asked) == asked


def test_a_spoilt_part_is_fetched_afresh_once(site: Site, target: Path) -> None:
    begin(site, target)
    target.with_name("file.zip.part").write_bytes(bytes(300_000))
    assert download(f"{site.address}/file.zip", target, sha256=SHA256).read_bytes() == DATA


def test_wrong_bytes_are_deleted_and_the_sentence_says_both_sums(site: Site, target: Path) -> None:
    site.files["/file.zip"] = b"<html>please log in</html>"
    found = hashlib.sha256(site.files["/file.zip"]).hexdigest()
    with pytest.raises(SemblanceError, match=f"SHA-256 {found}, not {SHA256}.*{target.name}"):
        download(f"{site.address}/file.zip", target, sha256=SHA256)
    assert list(target.parent.iterdir()) == []


def test_a_file_put_there_by_hand_is_checked_too(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(DATA)
    assert download(f"{site.address}/file.zip", target, sha256=SHA256.upper()) == target
    target.write_bytes(b"something else")
    with pytest.raises(SemblanceError, match="is not the file expected"):
        download(f"{site.address}/file.zip", target, sha256=SHA256)
    assert target.read_bytes() == b"something else"
    assert site.asked == []


def test_a_missing_file_is_asked_for_once_and_the_sentence_says_what_to_do(site: Site, target: Path) -> None:
    with pytest.raises(SemblanceError) as caught:
        download(f"{site.address}/nothing.zip", target)
    assert str(caught.value) == (
        f"cannot download {site.address}/nothing.zip: the server answered 404 Not Found. Check the connection and run "
        f"the same command again, or download the file yourself and put it at {target}"
    )
    assert len(site.asked) == 1


def test_a_busy_server_is_asked_again(site: Site, target: Path) -> None:
    site.statuses = [503, 429, 502]
    assert download(f"{site.address}/file.zip", target).read_bytes() == DATA
    assert len(site.asked) == 4


def test_a_silent_server_is_given_up_after_the_timeout(site: Site, target: Path) -> None:
    site.silence = 0.4
    with pytest.raises(SemblanceError, match="timed out"):
        download(f"{site.address}/file.zip", target, attempts=2, timeout=0.05)


def test_no_server_at_all_is_a_clear_error(site: Site, target: Path) -> None:
    with serving(Site()) as gone:
        address = gone.address
    with pytest.raises(SemblanceError, match=f"cannot download {address}/file.zip: .*refused"):
        download(f"{address}/file.zip", target, attempts=2)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/file", "file.zip", ""])
def test_only_web_addresses_are_fetched(target: Path, url: str) -> None:
    with pytest.raises(UsageError, match="must begin with http"):
        download(url, target)


def test_a_place_that_cannot_be_written_is_a_clear_error(site: Site, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(SemblanceError, match="cannot write"):
        download(f"{site.address}/file.zip", tmp_path / "cache" / "file.zip")


def test_the_note_beside_a_part_says_what_it_belongs_to(site: Site, target: Path) -> None:
    begin(site, target)
    note = json.loads(target.with_name("file.zip.part.json").read_text())
    assert note == {"url": f"{site.address}/file.zip", "validator": '"1"', "size": len(DATA)}
