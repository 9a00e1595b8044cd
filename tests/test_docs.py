"""What the documents say can be done: links lead somewhere, commands and options exist, the examples run."""

from __future__ import annotations

import importlib
import inspect
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tiny_gallery
import torch
import typer
from PIL import Image
from rooms import mermaid
from streamlit.testing.v1 import AppTest
from tiny_training import begun, photos, prepared_stripes, tiny

from pipeline import ROOT, plugins
from pipeline.__main__ import app
from pipeline.errors import UsageError
from training import recipes
from training.__main__ import app as training_app
from training.losses import _miners as miners

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
PROGRAMS: dict[str, Any] = {
    "pipeline": typer.main.get_command(app),
    "training": typer.main.get_command(training_app),
}
WRONG_USE = typer.BadParameter.__mro__[1]  # click's UsageError, wherever typer keeps its click


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def shell_lines(text: str) -> list[str]:
    """Lines of shell blocks, and `…` in running text when it begins with python -m or make."""
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`((?:python -m|make) [^`]+)`", without_blocks)
    lines = "\n".join(blocks(text, "bash")).replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in [*lines, *inline] if line.strip()]


COMMANDS = sorted({line for name in NAMES for line in shell_lines(text_of(name))})


def check_verb(program: str, words: list[str]) -> None:
    """WRONG_USE, UsageError or AssertionError unless `python -m PROGRAM WORDS` could be run as it is written."""
    if words in ([], ["…"]):
        return
    verbs = PROGRAMS[program]
    top = verbs.make_context(program, list(words), resilient_parsing=True)
    verb = verbs.get_command(top, words[0])
    assert verb is not None, f"there is no verb {words[0]!r}"
    if words[1:] in ([], ["…"]) or "VERB" in words:
        return
    with verb.make_context(words[0], words[1:], parent=top) as context:
        for kind in ("encoder", "dataset"):
            given = context.params.get(kind) or []
            for spec in [given] if isinstance(given, str) else given:
                if spec != "SPEC":
                    check_spec(f"{kind}s", spec)
        if context.params.get("loss", "NAME") != "NAME":
            recipes.recipe(context.params["recipe"], loss=context.params["loss"])


def check_spec(kind: str, spec: str) -> None:
    name, values = plugins.parse(spec)
    name = name.replace("-", "_")  # as `training prepare` reads it
    known = {option.name for option in plugins.options(kind, name)}
    assert set(values) <= known, f"{name} has no option {set(values) - known}"


def check_command(line: str) -> None:
    words = shlex.split(line)
    if "-m" in words[:4]:
        start = words.index("-m")
        assert words[0] == "python" or words[:2] == ["torchrun", "--nproc_per_node"], f"what is {line!r}?"
        if (script := words[start + 1]).startswith(("benchmarks.", "tests.")):
            assert (ROOT / f"{script.replace('.', '/')}.py").is_file(), f"there is no {script}"
            return
        assert words[start + 1] in PROGRAMS, f"there is no program {words[start + 1]!r}"
        check_verb(words[start + 1], words[start + 2 :])
    elif words[0] == "make":
        targets = re.findall(r"^(\w+):", text_of("Makefile"), re.MULTILINE)
        goals = [word for word in words[1:] if "=" not in word]
        assert set(goals) <= set(targets), f"the Makefile has no {set(goals) - set(targets)}"
        for variable in (word.partition("=")[0] for word in words[1:] if "=" in word):
            assert re.search(rf"^{variable} \?=", text_of("Makefile"), re.MULTILINE), f"nothing reads {variable}"
    else:
        assert words[0] in ("source", "export"), f"what is {line!r}?"


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_in_the_documents_can_be_run_as_it_is_written(line: str) -> None:
    check_command(line)


@pytest.mark.parametrize(
    "line",
    [
        "python -m pipeline serach my_photos",
        "python -m pipeline search my_photos --colour red",
        "python -m pipeline ingest my_photos",
        "python -m pipeline search my_photos -k many",
        "python -m pipeline ingest my_photos --dataset folder:rot=x",
        "python -m pipeline try-encoders my_photos --encoder torchvison:arch=resnet50",
        "python -m training trian --data data/mine",
        "python -m training train --data data/mine --colour red",
        "python -m training train --data data/mine --loss tripletloss",
        "python -m training prepare foldr:root=x data/mine",
        "torchrun --nproc_per_node 2 -m training train --fast",
        "make demoo",
        "make demo PROT=8600",
        "pip install semblance",
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    with pytest.raises((AssertionError, WRONG_USE, UsageError)):
        check_command(line)


SOURCES = [
    path for folder in ("pipeline", "app", "training", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_remedy_that_a_message_names_is_a_verb(path: Path) -> None:
    """Messages end in `python -m PROGRAM VERB …`; adjoining pieces of a string are read as one."""
    joined = re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
    for program, verbs in PROGRAMS.items():
        named = set(re.findall(rf"python -m {program} ([a-z][\w-]*)", joined))
        assert named <= set(verbs.list_commands(None)), program


def test_the_documents_name_commands() -> None:
    assert len([line for line in COMMANDS if line.startswith("python -m pipeline")]) > 15
    assert len([line for line in COMMANDS if line.startswith("python -m training")]) > 8


def broken_links(name: str, text: str) -> list[str]:
    """Link targets inside the repository that are not there; the part after # is not looked at."""
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    inside = [target.partition("#")[0] for target in targets if not re.match(r"https?://|mailto:|#", target)]
    return [target for target in inside if not ((ROOT / name).parent / target).exists()]


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    assert broken_links(name, text_of(name)) == []


def test_a_broken_link_is_found() -> None:
    assert broken_links("docs/demo.md", "[a](nowhere.md) [b](../README.md#x) [c](https://x.org)") == ["nowhere.md"]


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_named_exist(name: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", text_of(name), flags=re.MULTILINE | re.DOTALL)
    named = re.findall(r"`((?:pipeline|training|app|tests|benchmarks|docs)/[\w/.]+)`", prose)
    assert [path for path in named if "NAME" not in path and not (ROOT / path).exists()] == []


def test_the_readme_fits_on_two_screens() -> None:
    assert len(text_of("README.md").splitlines()) <= 150


@pytest.mark.parametrize("kind", ["encoders", "datasets", "stores"])
def test_the_readme_names_every_plugin(kind: str) -> None:
    missing = [name for name in plugins.available(kind) if f"`{name}`" not in text_of("README.md")]
    assert missing == [], f"add them to the table 'What is inside' of README.md: {missing}"


def test_architecture_md_draws_the_rooms_as_the_imports_are() -> None:
    [drawn] = re.findall(r"```mermaid\n(.*?)\n```", text_of("docs/architecture.md"), re.DOTALL)
    assert drawn == mermaid(), "paste what `python -m tests.rooms` prints"


def test_operations_names_every_setting() -> None:
    from pipeline.settings import Settings

    written = set(re.findall(r"^\| `(SEMBLANCE_\w+)`", text_of("docs/operations.md"), re.MULTILINE))
    assert written == {f"SEMBLANCE_{field.upper()}" for field in Settings.model_fields}


def phases_of(loss: str, recipe: str = "gpu") -> str:
    """`classification 85 % at 1; deep_ranking 15 % at 0.1`."""
    phases = recipes.recipe(recipe, loss=loss).phases
    return "; ".join(
        f"{phase.objective} {phase.time:.0%} at {phase.lr / phases[0].lr:g}"
        + (f", at most {phase.steps:,} steps" if phase.steps else "")
        for phase in phases
    )


@pytest.mark.parametrize("name", recipes.BASES)
def test_training_md_has_each_recipe_as_it_is(name: str) -> None:
    made = recipes.recipe(name)
    first = made.phases[0]
    sizes = ", ".join(str(side) for _, side in first.sizes)
    cells = [f"`{name}`", f"`{made.backbone}`", made.batch_size, first.lr, sizes, made.test_side]
    row = " | ".join(map(str, [*cells, f"{first.weight_decay:g}", made.out_of_class]))
    assert f"| {row} |" in text_of("docs/training.md")


def test_training_md_has_the_phases_as_they_are() -> None:
    text = text_of("docs/training.md").replace(" %", "%")
    for loss in ("deep_ranking", "classification"):
        assert f"| `{loss}` | {phases_of(loss)} |" in text
    other = phases_of("proxy_anchor", "cpu").replace("proxy_anchor", "the loss")
    assert f"| any other of `cpu` | {other} |" in text
    assert f"| `deep_ranking` of `cpu` | {phases_of('deep_ranking', 'cpu')} |" in text
    others = plugins.available(recipes.LOSSES)
    others.remove("cosine_classification")
    for loss in others:
        assert f"| any other | {phases_of(loss).replace(loss, 'the loss')} |" in text


def test_training_md_names_every_loss_and_miner() -> None:
    names = (*recipes.losses(), *plugins.available(recipes.LOSSES), *miners.NAMES)
    missing = [name for name in names if f"`{name}`" not in text_of("docs/training.md")]
    assert missing == []


def test_the_readmes_python_example_finds_the_query_itself_among_the_demos_pictures(tmp_path: Path) -> None:
    environment = os.environ | {"SEMBLANCE_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}

    def run(*words: str) -> str:
        command = [sys.executable, *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    dataset = f"catalogue:items=6,views=2,size=32,root={tmp_path / 'rendered'}"
    run("-m", "pipeline", "ingest", "catalogue", "--dataset", dataset, "--progress", "none")
    rendered = sorted((tmp_path / "rendered").rglob("*.jpg"))
    Image.open(rendered[0]).resize((48, 48)).save(tmp_path / "query.jpg")
    [example] = blocks(text_of("README.md"), "python")
    hits = eval(run("-c", example))  # a list of tuples that the example printed
    assert len(hits) == 5
    assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)
    assert rendered[0].as_posix().endswith(hits[0][0])


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the examples of docs/extending.md into folders beside the real ones."""
    for block in blocks(text_of("docs/extending.md"), "python"):
        root, kind, name = re.match(r"# (\w+)/(\w+)/(\w+)\.py\n", block).groups()  # type: ignore[union-attr]
        if root == "app":
            continue
        named = kind if root == "pipeline" else f"{root}.{kind}"
        real = plugins.available(named)
        assert name not in real, f"{name} is a real plugin now; choose another example"
        folder = tmp_path / kind
        folder.mkdir()
        for other in real:  # listed as well, and imported from where they are
            (folder / f"{other}.py").touch()
        (folder / f"{name}.py").write_text(block, encoding="utf-8")
        package = importlib.import_module(f"{root}.{kind}")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        monkeypatch.setitem(plugins._FOLDERS, named, folder)
        monkeypatch.delitem(sys.modules, f"{root}.{kind}.{name}", raising=False)


def contract_tests(module: ModuleType, **given: object) -> list[str]:
    """Run the tests of a contract module that need no more than `given`; returns their names."""
    ran = []
    for name, test in inspect.getmembers(module, inspect.isfunction):
        if name.startswith("test_") and set(inspect.signature(test).parameters) <= set(given):
            test(**{key: given[key] for key in inspect.signature(test).parameters})
            ran.append(name)
    return ran


def test_the_encoder_of_extending_md_keeps_an_encoders_contract(
    examples: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "contracts"))
    contract = importlib.import_module("test_encoders")
    monkeypatch.setattr(contract, "NAMES", ["mean_color"])
    assert "mean_color" in plugins.available("encoders")
    encoder = plugins.build("encoders", "mean_color:grid=5")
    assert encoder.dim == 76
    made = {"encoder": plugins.build("encoders", "mean_color"), "name": "mean_color"}
    ran = contract_tests(contract, **made)
    assert len(ran) >= 10, ran
    for odd in contract.ODD:
        contract.test_odd_pictures_have_an_embedding_too(made["encoder"], odd)


def test_the_index_of_extending_md_keeps_an_indexes_contract(examples: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "contracts"))
    contract = importlib.import_module("test_indexes")
    assert "pivots" in plugins.available("indexes")
    ran = contract_tests(contract, spec="pivots")
    assert len(ran) >= 10, ran


def test_the_re_ranker_of_extending_md_keeps_the_contract_and_is_measured(
    examples: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.gallery import ranking

    monkeypatch.syspath_prepend(str(ROOT / "tests" / "contracts"))
    contract = importlib.import_module("test_rerank")
    ran = contract_tests(contract, name="centred")
    assert len(ran) >= 3, ran
    for count in (0, 1, 2):
        contract.test_few_hits_are_enough("centred", count)
    rows, marks = contract.groups(210)
    measured = {one.spec for one in ranking.measure(rows, marks.astype(str))}
    assert {"none", "query_expansion", "k_reciprocal", "database_augmentation", "centred"} == measured


def test_the_dataset_of_extending_md_names_the_pictures_of_its_file(examples: None, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("cups/a.jpg\nhats/b.jpg\n", encoding="utf-8")
    dataset = plugins.build("datasets", f"listed:file={tmp_path / 'list.txt'}")
    dataset.prepare()
    assert [(record.path, record.label) for record in dataset.records()] == [
        ("cups/a.jpg", "cups"),
        ("hats/b.jpg", "hats"),
    ]
    assert dataset.root == tmp_path
    with pytest.raises(UsageError, match="no such file"):
        plugins.build("datasets", "listed:file=nowhere.txt")


def test_the_loss_of_extending_md_is_its_formula_and_train_takes_it(examples: None) -> None:
    assert recipes.recipe("cpu", loss="pair_logistic").phases[-1].objective == "pair_logistic"
    embeddings = torch.nn.functional.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)))
    labels = [0, 0, 1, 1, 1, 2]
    terms = []
    for i in range(6):
        for j in range(6):
            cosine = sum(float(a * b) for a, b in zip(embeddings[i], embeddings[j], strict=True))
            wrong = 1 if labels[i] != labels[j] else -1
            terms += [math.log(1 + math.exp(wrong * 8 * (cosine - 0.25)))] if i != j else []
    embeddings.requires_grad_()
    loss = plugins.build("training.losses", "pair_logistic:base=0.25", dim=4, n_labels=3)(
        embeddings, torch.tensor(labels)
    )
    loss.backward()
    assert loss.item() == pytest.approx(sum(terms) / 30, rel=1e-5)
    assert embeddings.grad is not None
    assert embeddings.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["pair_logistic", "n_pairs"])
def test_the_loss_and_the_objective_of_extending_md_keep_the_contract(
    name: str, examples: None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "contracts"))
    contract = importlib.import_module("test_objectives")
    assert name in recipes.losses()
    data = prepared_stripes(photos(tmp_path / "stripes"), tmp_path / "prepared")
    given = {"name": name, "base": "cpu", "data": data, "home": home, "tmp_path": tmp_path, "monkeypatch": monkeypatch}
    ran = contract_tests(contract, **given)
    assert len(ran) >= 7, ran


def test_the_objective_of_extending_md_draws_pairs_and_has_each_first_find_its_second(
    examples: None, tmp_path: Path
) -> None:
    data = prepared_stripes(photos(tmp_path / "stripes"), tmp_path / "prepared")
    objective = begun(tiny(objective="n_pairs:scale=4", labels_per_batch=6), data, tmp_path)
    labels = data.labels[objective.rows(0, rank=0, world=1)].tolist()
    assert labels[:6] == labels[6:]
    assert len(set(labels)) == 6
    embeddings = torch.nn.functional.normalize(torch.randn(12, 4, generator=torch.Generator().manual_seed(0)))
    terms = []
    for i in range(6):
        cosines = [sum(float(a * b) for a, b in zip(embeddings[i], embeddings[6 + j], strict=True)) for j in range(6)]
        terms.append(math.log(sum(math.exp(4 * cosine) for cosine in cosines)) - 4 * cosines[i])
    loss = objective.loss(embeddings, torch.tensor(labels), torch.empty(0))
    assert loss.item() == pytest.approx(sum(terms) / 6, rel=1e-5)


def test_the_page_of_extending_md_is_that_file_and_a_line_in_main(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extending = text_of("docs/extending.md")
    [page] = [block for block in blocks(extending, "python") if block.startswith("# app/views/")]
    [line] = re.findall(r"`(st\.Page\(.*?\),)`", extending)
    views = shutil.copytree(ROOT / "app" / "views", tmp_path / "views")
    (views / "labels.py").write_text(page, encoding="utf-8")
    (tmp_path / "main.py").write_text(text_of("app/main.py").replace("    [\n", f"    [\n{line}\n"), encoding="utf-8")
    monkeypatch.setattr("app.VIEWS", views)
    tiny_gallery.fill(tiny_gallery.photos(tmp_path / "photos", 5))
    shown = AppTest.from_file(str(tmp_path / "main.py"), default_timeout=120).switch_page("views/labels.py").run()
    assert not shown.exception
    assert [title.value for title in shown.title] == ["Labels"]
    [table] = shown.dataframe
    assert dict(table.value.values) == {"cup": 2, "bowl": 2, "shoe": 1}
