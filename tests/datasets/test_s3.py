"""Object storage as it is: a server that speaks S3, on a free port of this machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import warm_commands

pytest.importorskip("s3fs", reason="pip install s3fs")
pytest.importorskip("moto.server", reason="pip install 'moto[server]'")


KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def storage(clothing: Path) -> Iterator[tuple[dict[str, str], Any]]:
    """The environment that leads to a bucket `shop` of six photos, and its client."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="tests", aws_secret_access_key="tests"
    )
    client.create_bucket(Bucket="shop")
    for label in ("hat", "shoes"):
        for file in sorted((clothing / "test" / label).glob("*.jpg"))[:3]:
            client.put_object(Bucket="shop", Key=f"photos/{label}/{file.name}", Body=file.read_bytes())
    client.put_object(Bucket="shop", Key="photos/empty.jpg", Body=b"")
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    yield own | {"AWS_ENDPOINT_URL": address, "AWS_EC2_METADATA_DISABLED": "true"}, client
    server.stop()


def ingest(environment: dict[str, str], home: Path, url: str) -> subprocess.CompletedProcess[str]:
    words = ["ingest", "shop", "--dataset", f"bucket:url={url}", "--encoder", "color_histogram", "--progress", "none"]
    return warm_commands.run(words, stdin="", env=environment | {"SEMBLANCE_HOME": str(home)})


def test_a_bucket_is_ingested_and_followed(storage: tuple[dict[str, str], Any], tmp_path: Path) -> None:
    environment, client = storage
    done = ingest(environment | KEYS, tmp_path, "s3://shop/photos")
    assert done.returncode == 0, done.stderr
    assert "6 added" in done.stdout
    assert "rejected empty.jpg: the file is empty" in done.stderr
    moved = client.list_objects_v2(Bucket="shop", Prefix="photos/hat/")["Contents"][0]["Key"]
    client.copy_object(Bucket="shop", Key=moved.replace("/hat/", "/cap/"), CopySource={"Bucket": "shop", "Key": moved})
    client.delete_object(Bucket="shop", Key=moved)
    again = ingest(environment | KEYS, tmp_path, "s3://shop/photos")
    assert "0 added, 6 known" in again.stdout
    assert "1 moved or renamed, 1 with another label" in again.stdout


@pytest.mark.parametrize(
    ("keys", "url", "said"),
    [
        (KEYS, "s3://nowhere/photos", "holds nothing|no such bucket"),
        ({}, "s3://shop/photos", "set AWS_ACCESS_KEY_ID"),
        (KEYS | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "s3://shop/photos", "cannot be reached"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    keys: dict[str, str], url: str, said: str, storage: tuple[dict[str, str], Any], tmp_path: Path
) -> None:
    done = ingest(storage[0] | keys | {"HOME": str(tmp_path)}, tmp_path / "home", url)
    assert done.returncode != 0
    assert re.search(said, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "home").glob("galleries/*"))
