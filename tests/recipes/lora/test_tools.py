"""Making instructions and a base, finding bases, evaluating and merging."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainer.engine.fit import fit
from trainer.errors import ConfigError
from trainer.recipes.lora import hub, instruct
from trainer.recipes.lora.merge import merge
from trainer.recipes.lora.naming import base_short, folder_name

TINY = ("--hidden-size=16", "--layers=1", "--heads=2", "--vocab-size=300", "--context=64")


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainer.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_instructions_are_the_same_each_time_and_split_by_module(
    sources: Path, instructions: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    assert instruct.write(sources, again)
    assert not instruct.write(sources, again)
    modules: dict[str, set[str]] = {}
    for split in instruct.SPLITS:
        text = (again / f"{split}.jsonl").read_text()
        assert text == (instructions / f"{split}.jsonl").read_text()
        rows = [json.loads(line) for line in text.splitlines()]
        modules[split] = {row["module"] for row in rows}
        assert {row["domain"] for row in rows} == {"signature", "body"}
        assert all(0.0 <= row["quality_score"] <= 1.0 for row in rows)
        signature = next(row for row in rows if row["domain"] == "signature")
        assert signature["output"].startswith("def ")
        assert signature["input"].endswith("so many times.")
    assert not modules["train"] & modules["test"]
    assert sum(map(len, modules.values())) == 40


def test_other_settings_and_strange_folders_are_refused(sources: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    assert instruct.write(sources, place, max_items=60)
    lines = [len((place / f"{s}.jsonl").read_text().splitlines()) for s in instruct.SPLITS]
    assert sum(lines) == 60
    with pytest.raises(ConfigError, match="max_items 60, not None"):
        instruct.write(sources, place)
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "thesis.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"thesis\.txt"):
        instruct.write(sources, strange)
    assert (strange / "thesis.txt").read_text() == "x"


def test_the_commands_make_both_and_find_them_made(
    sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer.recipes.lora import make

    made = run("data", "make-instruct", tmp_path / "i", "--root", sources, "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["new"]
    assert told["train"] > told["test"] > 0
    words = ("data", "make-base", tmp_path / "b", "--root", sources, "--steps=2", *TINY, "--json")
    first = run(*words)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["parameters"] > 0
    # What the command starts, without another process for each.
    own = ["base", str(tmp_path / "b"), "--root", str(sources)]
    assert make.main([*own, "--steps=2", *TINY, "--json"]) == 0
    assert not json.loads(capsys.readouterr().out)["new"]
    assert make.main([*own, "--steps=3", *TINY]) == 2
    assert "steps 2, not 3" in capsys.readouterr().err
    assert make.main(["base", str(tmp_path / "c"), "--heads=3"]) == 2


def test_a_base_is_the_same_each_time(base: Path, sources: Path, tmp_path: Path) -> None:
    from trainer.recipes.lora.base import BaseSettings, make_base

    settings = {**json.loads((base / "generated.json").read_text())["settings"]}
    names = BaseSettings.__slots__
    again = tmp_path / "again"
    mine = BaseSettings(**{name: settings[name] for name in names})
    assert make_base(sources, again, mine, lambda _: None)
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (again / name).read_bytes() == (base / name).read_bytes()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(again)
    text = "def read_it(path):\n    return 1\n"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert AutoModelForCausalLM.from_pretrained(again).config.model_type == "qwen2"


def find(name: str) -> hub.Base:
    return hub.find(name, say=lambda _: None)


def test_what_is_no_base_says_how_to_point_at_a_folder(tmp_path: Path, base: Path) -> None:
    assert find(str(base)).folder == base
    with pytest.raises(ConfigError, match=r"no folder './nowhere'.*model.base_model=path"):
        find("./nowhere")
    with pytest.raises(ConfigError, match=r"no config\.json"):
        find(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match="traindeck merge"):
        find(str(tmp_path))
    with pytest.raises(ConfigError, match=r"HF_HUB_OFFLINE.*make-base"):
        find("Qwen/Qwen2.5-Coder-1.5B")


def test_a_hub_out_of_reach_is_told_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    began = time.monotonic()

    def hangs(*_: Any, **__: Any) -> None:
        time.sleep(60)

    monkeypatch.setattr(hub, "PATIENCE", 0.2)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", hangs)
    with pytest.raises(ConfigError, match=r"cannot be reached \(no answer.*model.base_model=path"):
        find("Qwen/Qwen2.5-Coder-1.5B")
    assert time.monotonic() - began < 30

    def refuses(*_: Any, **__: Any) -> None:
        raise ConnectionError("[Errno 111] Connection refused")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuses)
    monkeypatch.setattr(hub, "PATIENCE", 20.0)
    with pytest.raises(ConfigError, match="Connection refused"):
        find("Qwen/Qwen2.5-Coder-1.5B")


def test_a_run_is_evaluated_and_merged(
    lab: Callable[..., Path], tmp_path: Path, base: Path
) -> None:
    from transformers import AutoModelForCausalLM

    from trainer.recipes.lora import runs

    folder = lab(**{"trainer.limit_train_batches": 12})
    assert fit(folder) == 0
    after = json.loads((folder / "outputs" / "evaluation.json").read_text())
    (folder / "outputs" / "evaluation.json").unlink()
    words = [sys.executable, "-m", "trainer.recipes.lora.evaluate", "--answers=2", "--json"]
    done = subprocess.run([*words, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["adapter_loss"] == pytest.approx(after["adapter_loss"], rel=1e-5)
    assert told["base_loss"] == pytest.approx(after["base_loss"], rel=1e-5)
    assert len(told["answers"]) == 2
    assert (folder / "outputs" / "evaluation.json").exists()
    (adapter,) = (tmp_path / "models").iterdir()
    merged = merge(adapter, tmp_path / "merged")
    for place in (base, adapter, merged):
        rights = {path.stat().st_mode for path in place.iterdir() if path.name[0] != "."}
        assert len(rights) == 1, "who reads one file of a model reads all"
    assert not (merged / "adapter_config.json").exists()
    told = json.loads((merged / "metadata.json").read_text())
    assert told["merged"] == {"adapter": str(adapter), "base": str(base)}
    assert told["files"] == sorted(path.name for path in merged.iterdir())
    tuned = runs.load(folder).model
    ids = torch.arange(20)[None]
    with torch.no_grad():
        wanted = tuned.network(input_ids=ids).logits
        got = AutoModelForCausalLM.from_pretrained(merged)(input_ids=ids).logits
    assert torch.allclose(got, wanted, atol=1e-4)
    assert not torch.allclose(got, AutoModelForCausalLM.from_pretrained(base)(input_ids=ids).logits)
    with pytest.raises(ConfigError, match="there already"):
        merge(adapter, merged)
    with pytest.raises(ConfigError, match="other weights"):
        merge(adapter, tmp_path / "wrong", base=str(merged))
    assert not (tmp_path / "wrong").exists()
    with pytest.raises(ConfigError, match="no adapter"):
        merge(base, tmp_path / "wrong")


def test_commands_refuse_runs_of_other_recipes(lab: Callable[..., Path], tmp_path: Path) -> None:
    folder = lab(**{"run.recipe": "text"})
    (folder / "run.json").write_text(json.dumps({"id": "abc", "name": "x"}))
    for words in (("evaluate", folder), ("merge", folder, "--out", tmp_path / "m")):
        done = run(*words)
        assert done.returncode == 2
        assert "fine-tunes no language model" in done.stderr


def test_folders_are_named_by_the_template() -> None:
    from datetime import datetime

    def named(template: str, **expert: Any) -> str:
        config = {"expert": expert, "lora": {"r": 8}, "output": {"name_template": template}}
        now = datetime(2025, 12, 22)
        base = "Qwen/Qwen2.5-Coder-1.5B"
        return folder_name(config, base, preset="mine", run="r", now=now)

    rauru = {"name": "oracle-rauru-assembler", "role": "asm"}
    assert base_short("Qwen/Qwen2.5-Coder-1.5B") == "qwen25-coder-15b"
    usual = "oracle-{name}-{role}-{base_short}-{date}"
    assert named(usual, **rauru) == "oracle-rauru-asm-qwen25-coder-15b-20251222"
    documented = "oracle-rauru-assembler-qwen25-coder-15b-20251222"
    assert named("{expert}-{base_short}-{date}", **rauru) == documented
    assert named(usual) == "mine-qwen25-coder-15b-20251222"
    assert named("../{rank}/../x", **rauru) == "8-..-x"
    with pytest.raises(ConfigError, match="role"):
        named("{rol}", **rauru)
    with pytest.raises(ConfigError, match="200"):
        named("{expert}", name="x" * 300)


def test_what_a_killed_process_was_writing_goes_after_a_day(tmp_path: Path) -> None:
    from trainer.recipes.lora.folder import clear

    old, new, other = (tmp_path / name for name in (".making-a-1", ".making-b-2", "model"))
    for folder in (old, new, other):
        folder.mkdir()
        (folder / "weights").write_text("w")
    for folder in (old, other):
        os.utime(folder, (0, 0))
    clear(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".making-b-2", "model"]


@pytest.mark.parametrize(("commit", "told"), [("0123456789abcdef", "01234567"), (None, None)])
def test_a_repository_without_a_commit_has_none(
    tmp_path: Path, commit: str | None, told: str | None
) -> None:
    from trainer.recipes.lora.folder import _commit

    summary = {"code": {"project": {"commit": commit}}}
    (tmp_path / "run_hash_summary.json").write_text(json.dumps(summary))
    assert _commit(tmp_path) == told


def test_without_folders_both_are_made_once_in_the_cache(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functools import partial

    from trainer.recipes.lora import base, data

    for module in (base, data, instruct):
        monkeypatch.setattr(module, "standard_library", lambda: sources)
    tiny = {word.strip("-").partition("=")[0].replace("-", "_"): int(word.partition("=")[2])
            for word in TINY}  # fmt: skip
    monkeypatch.setattr(base, "BaseSettings", partial(base.BaseSettings, steps=1, **tiny))
    made = data.Instructions(sequence_length=192)
    told: list[str] = []
    made.say = told.append
    assert len(made.train_dataset()) > 0
    found = hub.find(None, say=told.append)
    assert found.folder.is_relative_to(tmp_path / "cache" / "traindeck" / "lora" / "base")
    assert made.folder.is_relative_to(tmp_path / "cache" / "traindeck" / "lora" / "instruct")
    assert sum("base model, a small one" in text for text in told) == 1
    assert sum("data.root is not set" in text for text in told) == 1
    again = data.Instructions(sequence_length=192)
    again.say = told.append
    assert len(again.train_dataset()) == len(made.train_dataset())
    assert sum("data.root is not set" in text for text in told) == 1
