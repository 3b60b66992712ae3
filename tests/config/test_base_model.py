"""Where a base model is looked for before anything is launched."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.config import base_model
from trainer.config.base_model import (
    cache_folder,
    cached,
    is_hub_name,
    not_for_estimate,
    not_here,
    out_of_reach,
)
from trainer.config.compose import compose
from trainer.errors import ConfigError
from trainer.runs.again import need_training_packages

NAME = "Qwen/Qwen2.5-Coder-1.5B"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with two models, and with an empty cache."""
    monkeypatch.chdir(tmp_path)
    for name in ("models/qwen", "models/llama"):
        Path(name).mkdir(parents=True)
        Path(name, "config.json").write_text("{}")
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path


def fetched(*files: str, name: str = NAME, version: str = "main") -> Path:
    place = cache_folder() / f"models--{name.replace('/', '--')}"
    folder = place / "snapshots" / "abc"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs" / version).write_text("abc")
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file).write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("name", "what", "remedy"),
    [
        ("models/qwn", "There is no folder 'models/qwn'.", "Did you mean 'models/qwen'?"),
        ("./models/lama", "There is no folder './models/lama'.", "Did you mean 'models/llama'?"),
        ("models/nope", "There is no folder", "Models in 'models' are llama, qwen."),
        ("a/b/c", "There is no folder", "make-base"),
        ("~nobody-of-this-name/x", "There is no folder", "make-base"),
        ("models", "holds no config.json", "Models in 'models' are llama, qwen."),
        ("models/qwen/config.json", "is a file", "make-base"),
        ("a b", "neither a folder here nor a name on the hub", "make-base"),
        ("own..er/name", "neither a folder here nor a name on the hub", "make-base"),
        ("", "neither a folder here nor a name on the hub", "make-base"),
        ("x\0y", "neither a folder here nor a name on the hub", "make-base"),
    ],
)
def test_what_can_be_no_name_on_the_hub_is_told(name: str, what: str, remedy: str) -> None:
    if not name:
        name = " "
    told = not_here(name)
    assert told is not None
    assert what in told.what
    assert remedy in told.remedy


def test_what_may_be_on_the_hub_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (NAME, "gpt2", "meta-llama/Llama-3.2-1B", "models/qwen"):
        assert not_here(name) is None
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    told = not_here(NAME)
    assert told is not None
    assert "HF_HUB_OFFLINE forbids" in told.what
    assert f"hf download {NAME} --local-dir models/qwen2.5-coder-1.5b" in told.remedy
    fetched("config.json", "model.safetensors")
    assert not_here(NAME) is None
    assert not_here(NAME, "v2") is not None
    fetched(version="v2")
    assert not_here(NAME, "v2") is None


def test_an_estimate_needs_no_weights_and_fetches_nothing() -> None:
    told = not_for_estimate(NAME)
    assert told is not None
    assert f"hf download {NAME} --include '*.json'" in told.remedy
    fetched("config.json")
    assert not_for_estimate(NAME) is None
    assert cached(NAME) is not None
    assert cached(NAME, weights=True) is None


def test_a_hub_that_does_not_answer_is_told_in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    told = out_of_reach(NAME)
    assert told is not None
    assert "127.0.0.1: Connection refused" in told.what
    fetched("config.json")  # its weights are still to come
    assert out_of_reach(NAME) is not None
    fetched("model.safetensors")
    assert out_of_reach(NAME) is None
    assert out_of_reach("models/qwen") is None
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert out_of_reach("other/model") is None  # the proxy knows


def test_a_launch_is_refused_with_the_place_of_the_name(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    (here / "data").mkdir()
    line = '{"instruction": "a", "output": "b"}\n'
    for split in ("train", "val", "test"):
        (here / "data" / f"{split}.jsonl").write_text(line)
    words = ["oracle-rauru-mac", "hardware=cpu", "data.root=data"]
    monkeypatch.setattr(base_model, "_unanswered", lambda: "no hub")
    for more, told in (
        ("model.base_model=models/qwn", "override model.base_model=models/qwn: There is no folder"),
        ("model.base_model=gpt2", "override model.base_model=gpt2: 'gpt2' is not on this machine"),
    ):
        made = compose([*words, more])
        with pytest.raises(ConfigError) as error:
            need_training_packages(made.config, made.provenance, network=True)
        assert str(error.value.problems[0]).startswith(told)
    need_training_packages(made.config)  # who cannot wait does not ask the hub
    made = compose([*words, "model.base_model=models/qwen"])
    need_training_packages(made.config, made.provenance, network=True)


def test_names_of_repositories_are_those_that_the_hub_takes() -> None:
    hub = pytest.importorskip("huggingface_hub.utils")
    for name in ("gpt2", NAME, "a/b", "a.b/c_d", "-a", "a-", "a/-b", "a--b", "a..b", "a.git", "a/b.git",
                 "x" * 97, "a b", "ü", "a/b/c", "/a", "a/", ""):  # fmt: skip
        try:
            hub.validate_repo_id(name)
        except hub.HFValidationError:
            assert not is_hub_name(name), name
        else:
            assert is_hub_name(name), name
