"""docker-compose.yml and Dockerfile, read and held to their promises."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from typing import Any

import pytest
import typer
import yaml

from deploy import first_start
from pipeline import ROOT
from pipeline.__main__ import app as pipeline_app

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
LASTING = [name for name, service in SERVICES.items() if service["restart"] == "unless-stopped"]


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened_and_limited(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & set(service)
    for limit in ("mem_limit", "cpus"):
        assert re.fullmatch(r"\$\{[A-Z_]+:-\w+\}", service[limit]), "a default that the environment overrides"
    assert service["pids_limit"] > 0


@pytest.mark.parametrize("name", SERVICES)
def test_only_the_app_is_published_and_on_loopback_only(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert ports == (["127.0.0.1:${SEMBLANCE_PORT:-8501}:8501"] if name in ("app", "app-gpu") else [])


def test_nothing_but_the_app_and_training_reaches_the_outside() -> None:
    assert COMPOSE["networks"]["store"] == {"internal": True}
    inside = {name for name, service in SERVICES.items() if service["networks"] == ["store"]}
    assert inside == {"milvus", "first-start"}


def test_etcd_listens_to_its_own_container_only() -> None:
    etcd = yaml.safe_load((ROOT / "deploy" / "embedEtcd.yaml").read_text(encoding="utf-8"))
    urls = [value for key, value in etcd.items() if key.endswith("urls")]
    assert urls == ["http://127.0.0.1:2379"] * 2


def test_milvus_asks_for_a_password() -> None:
    user = yaml.safe_load((ROOT / "deploy" / "user.yaml").read_text(encoding="utf-8"))
    assert user["common"]["security"]["authorizationEnabled"] is True
    assert SERVICES["milvus"]["environment"]["COMMON_SECURITY_AUTHORIZATIONENABLED"] == "true"


def test_no_password_is_written_down() -> None:
    assert not re.search(r"root:\w|TOKEN|PASSWORD: ", TEXT + DOCKERFILE)
    assert all("secret:/secret:ro" in SERVICES[name]["volumes"] for name in ("app", "app-gpu"))
    assert not any("secret" in str(SERVICES[name]["volumes"]) for name in ("milvus", "training", "training-gpu"))


def test_images_are_pinned() -> None:
    assert re.fullmatch(r"milvusdb/milvus:v\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?", SERVICES["milvus"]["image"])
    assert instructions("ARG")[0].startswith("PYTHON_IMAGE=python:3.12-slim")
    assert {line.split()[0] for line in instructions("FROM")} == {"${PYTHON_IMAGE}"}
    built = {service["image"] for service in SERVICES.values() if "build" in service}
    assert built == {"semblance:cpu", "semblance:cuda"}


def test_every_volume_has_a_name_of_its_own_and_every_file_is_there() -> None:
    assert {name: volume["name"] for name, volume in COMPOSE["volumes"].items()} == {
        name: f"semblance_{name}" for name in ("data", "milvus", "secret", "pictures")
    }
    for volume in (volume for service in SERVICES.values() for volume in service["volumes"]):
        source = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", volume).split(":")[0]
        assert source in COMPOSE["volumes"] or (ROOT / source).is_file(), volume


def test_what_runs_on_is_restarted_and_watched_and_the_rest_waits_for_it() -> None:
    assert LASTING == ["milvus", "app", "app-gpu"]
    for name in LASTING:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
        assert SERVICES[name]["stop_grace_period"]
    assert SERVICES["first-start"]["depends_on"] == {"milvus": {"condition": "service_healthy"}}
    assert SERVICES["app"]["depends_on"]["first-start"] == {"condition": "service_completed_successfully"}


def test_plain_up_starts_neither_the_gpu_nor_training() -> None:
    optional = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert optional == {"app-gpu": ["gpu"], "training": ["training"], "training-gpu": ["gpu"]}
    [device] = SERVICES["app-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_the_image_is_not_roots_and_says_how_it_is() -> None:
    assert instructions("USER") == ["10001:10001"]
    [check] = instructions("HEALTHCHECK")
    assert "deploy.healthy" in check
    assert "requirements-dev" not in DOCKERFILE


def test_everything_that_is_copied_exists_and_is_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [word for line in instructions("COPY") if "--from" not in line for word in line.split()[:-1]]
    assert all((ROOT / source).exists() for source in copied)
    assert set(copied) == let_in
    code = {"app", "pipeline", "training", "models", "deploy", ".streamlit", "streamlit_app.py"}
    assert code < set(copied)


def commands() -> list[list[str]]:
    lists = [service.get(key) for service in SERVICES.values() for key in ("command", "entrypoint") if key in service]
    lists += [service["healthcheck"]["test"][1:] for service in SERVICES.values() if "test" in service["healthcheck"]]
    return [words for words in lists if words and words[0] == "python"] + [["python", *first_start.FILL]]


@pytest.mark.parametrize("words", commands(), ids=shlex.join)
def test_every_command_can_be_run(words: list[str]) -> None:
    assert words[1] == "-m"
    if words[2] == "streamlit":
        from streamlit.config import get_config_options

        assert (ROOT / words[4]).is_file()
        given = {word.removeprefix("--").partition("=")[0] for word in words[5:]}
        assert given <= set(get_config_options())
        return
    assert (ROOT / words[2].replace(".", "/")).with_suffix(".py").is_file() or (ROOT / words[2]).is_dir()
    if words[2] == "pipeline":
        verbs: Any = typer.main.get_command(pipeline_app)
        verbs.get_command(None, words[3]).make_context(words[3], words[4:])


def test_the_host_names_are_those_of_loopback_and_the_image_runs_the_same_command() -> None:
    command = SERVICES["app"]["command"]
    assert SERVICES["app"]["environment"]["STREAMLIT_SERVER_ALLOWED_HOSTS"] == "${SEMBLANCE_HOSTS:-localhost}"
    assert "allowedHosts" not in TEXT + DOCKERFILE, "it would take the place of what .streamlit/config.toml says"
    assert instructions("CMD")[0].replace('"', "").strip("[]").split(", ") == command
    assert not re.search(r"enable(Xsrf|CORS)\w*=false", TEXT + DOCKERFILE, re.IGNORECASE)


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="apt-get install docker-compose")
def test_docker_compose_reads_the_file() -> None:
    command = ["docker-compose", "--profile", "gpu", "--profile", "training", "config", "-q"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
