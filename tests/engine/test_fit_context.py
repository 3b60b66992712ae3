"""A context that grows on resuming, and token corruption: the text model in a whole training."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from enginelab.proofs import proof
from torch import nn

from trainer.engine.context import Growth, grow_state, resize
from trainer.engine.fit import fit
from trainer.engine.optim import make_optimizer
from trainer.engine.protocols import ResizesContext
from trainer.errors import ConfigError


@pytest.fixture
def text(lab, tmp_path):
    """Train a tiny text model; `text(name, ...)` gives the folder and the exit code."""
    root = tmp_path / "sources"
    root.mkdir()
    for number in range(6):
        (root / f"file{number}.py").write_text(f"value = {number}\n" * 40)

    def make(name="run", *, positions="learned", stop_after=0, **changes):
        folder = lab(name)
        diary = {"_target_": "enginelab.tiny.Diary", "path": str(folder / "diary")}
        base = {
            "data": {
                "_target_": "trainer.recipes.text.data.PyStdlib",
                "root": str(root),
                "context": 16,
            },
            "model": {
                "_target_": "trainer.recipes.text.model.GPT",
                "context": 16,
                "dim": 8,
                "layers": 1,
                "heads": 2,
                "positions": positions,
            },
            "loss": {"_target_": "trainer.recipes.text.loss.NextByteLoss"},
            "trainer.max_epochs": -1,
            "trainer.max_steps": 8,
            "callbacks.diary": diary | {"stop_after": stop_after},
        }
        return folder, fit(lab(name, **base | changes))

    return make


def last(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def said(events, folder):
    return [event["message"] for event in events(folder, "log")]


RESUMED = {"run.resume": "auto", "trainer.max_steps": 12}
TABLE = "model.positions.weight"


KEYS = [
    proof("trainer.resume_context.input_shape", [3, 40]),
    proof("trainer.resume_context.spatial_reduction", 2),
    proof("trainer.resume_context.temporal_reduction", 4),
    proof("trainer.resume_context.rope_theta", 5e4),
    proof("trainer.resume_context.max_position_embeddings", 64),
]


@pytest.mark.parametrize(("key", "value"), KEYS)
def test_the_model_is_called_with_what_is_written_and_nothing_else(lab, key, value):
    from enginelab.rooms import Grows

    scene = {"model": {"_target_": "enginelab.rooms.Grows"}, "trainer.max_epochs": 1}
    assert fit(lab(**scene)) == 0
    Grows.called.clear()
    name = key.rpartition(".")[2]
    more = {"run.resume": "auto", "trainer.max_epochs": 2}
    assert fit(lab(**scene | more | {"trainer.resume_context": {name: value, "own": 1}})) == 0
    assert Grows.called == [{name: value, "own": 1}]


@pytest.mark.proves("trainer.resume_context")
def test_a_context_grows_once_and_keeps_what_was_learned(text, monkeypatch):
    folder, _ = text(stop_after=5)
    before = last(folder)
    grown = {"trainer.resume_context": {"max_position_embeddings": 24}}
    seen = []
    own = Growth.grow

    def grow(self, module, state):
        made = own(self, module, state)
        seen.append({name: weight.clone() for name, weight in made["state_dict"].items()})
        return made

    monkeypatch.setattr(Growth, "grow", grow)
    _, code = text(**RESUMED | grown)

    assert code == 0
    (state,) = seen
    assert state[TABLE].shape == (24, 8)
    assert torch.equal(state[TABLE][:16], before["state_dict"][TABLE])
    for name, weight in before["state_dict"].items():
        if name != TABLE:
            assert torch.equal(state[name], weight)
    after = last(folder)
    assert after["state_dict"][TABLE].shape == (24, 8)
    assert after["EngineData"]["carried"] == {"context": {"max_position_embeddings": 24}}
    # The new rows are trained: the data gives the longer samples.
    assert not torch.equal(after["state_dict"][TABLE][16:], state[TABLE][16:])

    # Later resumes do not resize again, whether it still stands in the config or not.
    for more, steps in ((grown, 14), ({}, 16)):
        _, code = text(**RESUMED | more | {"trainer.max_steps": steps})
        assert code == 0
    assert len(seen) == 1
    assert last(folder)["state_dict"][TABLE].shape == (24, 8)
    assert last(folder)["EngineData"]["carried"] == after["EngineData"]["carried"]


def test_a_run_that_has_grown_is_resumed_exactly(text):
    def grow(name, stop_after=0):
        folder, _ = text(name, stop_after=5)
        grown = RESUMED | {"trainer.resume_context": {"max_position_embeddings": 24}}
        text(name, stop_after=stop_after, **grown)
        if stop_after:
            text(name, **grown)
        return folder

    whole, parts = grow("whole"), grow("parts", stop_after=8)
    assert len((whole / "diary").read_text().splitlines()) == 12
    assert (parts / "diary").read_text() == (whole / "diary").read_text()
    for name, weight in last(whole)["state_dict"].items():
        assert torch.equal(weight, last(parts)["state_dict"][name])


def test_rotary_positions_grow_without_a_weight(text):
    folder, _ = text(positions="rotary", stop_after=5)
    keys = {"input_shape": [32], "rope_theta": 50000.0}
    _, code = text(positions="rotary", **RESUMED | {"trainer.resume_context": keys})

    assert code == 0
    assert last(folder)["EngineData"]["carried"] == {"context": keys}


def test_nothing_is_resized_without_a_checkpoint(text):
    folder, code = text(**{"trainer.resume_context": {"max_position_embeddings": 24}})

    assert code == 0
    assert last(folder)["state_dict"][TABLE].shape == (16, 8)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"max_position_embeddings": 8}, "A context of 16 tokens cannot shrink to 8. A context"),
        ({"temporal_reduction": 2}, "GPT.resize_context takes no 'temporal_reduction'"),
        ({"max_positions": 32}, "Did you mean 'max_position_embeddings'?"),
        ({"rope_theta": 5e4}, "no rotary ones"),
        ({"input_shape": [2, 32]}, "one dimension"),
        ({"input_shape": [32], "max_position_embeddings": 24}, "Give one of them"),
    ],
)
def test_what_is_not_legal_is_refused_and_the_checkpoint_stays(text, capsys, keys, said):
    folder, _ = text(stop_after=5)
    before = (folder / "checkpoints" / "last.ckpt").read_bytes()
    _, code = text(**RESUMED | {"trainer.resume_context": keys})

    assert code == 2
    assert said in capsys.readouterr().err
    assert (folder / "checkpoints" / "last.ckpt").read_bytes() == before


def test_a_model_without_the_method_is_refused(lab, capsys):
    lab(**{"trainer.max_epochs": 1})
    assert fit(lab(**{"trainer.max_epochs": 1})) == 0
    grown = {"trainer.resume_context": {"input_shape": [9]}, "run.resume": "auto"}
    assert fit(lab(**grown)) == 2
    assert "Net has no method 'resize_context'" in capsys.readouterr().err


def test_averaged_weights_are_not_resized_by_half(text, capsys):
    ema = {"ema": {"_target_": "pytorch_lightning.callbacks.EMAWeightAveraging"}}
    text(stop_after=5, **{"callbacks.ema": ema["ema"]})
    grown = {"trainer.resume_context": {"max_position_embeddings": 24}}
    _, code = text(**RESUMED | grown | {"callbacks.ema": ema["ema"]})

    assert code == 2
    assert "while weights are averaged" in capsys.readouterr().err


OPTIMIZERS = {
    "AdamW": {"lr": 0.1, "amsgrad": True},
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adagrad": {"lr": 0.1, "initial_accumulator_value": 0.5},
    "Rprop": {"lr": 0.1},
    "Adafactor": {"lr": 0.1},
    "RMSprop": {"lr": 0.1, "momentum": 0.9, "centered": True},
    "Muon": {"lr": 0.1},
    "LBFGS": {"lr": 0.1},
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimisers_state_follows_a_table_that_grows(kind):
    """New rows are in the state that rows have which never had a gradient."""
    torch.manual_seed(0)
    start = torch.randn(6, 4)
    section = {"type": kind, "config": OPTIMIZERS[kind]}

    def trained(rows, steps=3):
        table = nn.Embedding(rows, 4)
        with torch.no_grad():
            table.weight.zero_()
            table.weight[:6] = start
        optimizer = make_optimizer(table, section)
        for _ in range(steps):
            step(table, optimizer)
        return table, optimizer

    def step(table, optimizer, rows=slice(0, 6)):
        def closure():
            optimizer.zero_grad()
            loss = (table.weight[rows] ** 2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)

    small, old = trained(6)
    large = nn.Embedding(9, 4)
    with torch.no_grad():
        large.weight.zero_()
        large.weight[:6] = small.weight
    new = make_optimizer(large, section)
    new.load_state_dict(old.state_dict())
    for part in getattr(new, "parts", {"": new}).values():
        grow_state(part, {large.weight: small.weight.shape})
    always, optimizer = trained(9)

    ours = [p.state[large.weight] for p in getattr(new, "parts", {"": new}).values()]
    theirs = [p.state[always.weight] for p in getattr(optimizer, "parts", {"": optimizer}).values()]
    if kind == "LBFGS":
        assert ours == [{}]
    else:
        for mine, wanted in zip(ours, theirs, strict=True):
            assert mine.keys() == wanted.keys()
            for name, value in mine.items():
                assert torch.as_tensor(value).shape == torch.as_tensor(wanted[name]).shape, name
                if kind != "Adafactor":
                    # Its updates are scaled by the mean over all rows, so their number counts.
                    torch.testing.assert_close(value, wanted[name])
    step(large, new, slice(0, 9))
    assert bool(torch.isfinite(large.weight).all())


def test_the_model_on_the_page_is_one_that_can_grow():
    page = (Path(__file__).parents[2] / "docs" / "own-model.md").read_text()
    (source,) = re.findall(r"<!-- file: mylab/grows.py -->\n```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(source, names)
    model = names["Tagger"]()
    before = model.positions.weight.detach().clone()
    assert isinstance(model, ResizesContext)
    resize(model, {"max_position_embeddings": 32})
    assert torch.equal(model.positions.weight[:16], before)
    assert model(torch.zeros(2, 32, dtype=torch.long)).shape == (2, 32, 32)
    with pytest.raises(ConfigError, match="takes no 'rope_theta'"):
        resize(model, {"rope_theta": 2.0})
    with pytest.raises(ConfigError, match="can only grow"):
        resize(model, {"max_position_embeddings": 8})


CORRUPTION = {"enabled": True, "p_start": 0.5, "p_end": 0.1}


def test_corrupted_inputs_are_the_same_after_a_resume(text):
    scene = {"model.token_corruption": CORRUPTION, "trainer.max_steps": 12}
    whole, _ = text("whole", **scene)
    parts, _ = text("parts", stop_after=5, **scene)
    text("parts", **scene | {"run.resume": "auto"})
    plain, _ = text("plain", **{"trainer.max_steps": 12})

    assert (parts / "diary").read_text() == (whole / "diary").read_text()
    assert (plain / "diary").read_text() != (whole / "diary").read_text()


@pytest.fixture
def settings(monkeypatch):
    """Note by which settings tokens were corrupted last."""
    from trainer.recipes.text.corruption import TokenCorruption

    seen = []
    set_ = TokenCorruption.set
    monkeypatch.setattr(
        TokenCorruption, "set", lambda self, *a: (seen.append(a), set_(self, *a))[1]
    )
    return seen


@pytest.mark.proves(
    "trainer.resume_token_corruption",
    "trainer.resume_token_corruption.enabled",
    "trainer.resume_token_corruption.p_start",
    "trainer.resume_token_corruption.p_end",
)
def test_token_corruption_is_overridden_reapplied_or_left(text, settings):
    scene = {"model.token_corruption": CORRUPTION}
    folder, _ = text(stop_after=5, **scene)
    assert settings[-1] == (True, 0.5, 0.1)

    def resumed(written, steps):
        more = {"trainer.resume_token_corruption": written, "trainer.max_steps": steps}
        _, code = text(**scene | RESUMED | more)
        assert code == 0
        return settings[-1], last(folder).get("EngineData", {}).get("carried")

    mine = {"enabled": True, "p_start": 0.5, "p_end": 0.0}
    assert resumed({"p_end": 0.0}, 9) == ((True, 0.5, 0.0), {"token_corruption": mine})
    # False leaves what was in force; true and null go back to the model's own.
    assert resumed(False, 10) == ((True, 0.5, 0.0), {"token_corruption": mine})
    assert resumed(True, 11) == ((True, 0.5, 0.1), None)
    off = {"enabled": False, "p_start": 0.5, "p_end": 0.1}
    assert resumed({"enabled": False}, 12) == ((False, 0.5, 0.1), {"token_corruption": off})
    assert resumed(None, 13) == ((True, 0.5, 0.1), None)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"p_stat": 0.1}, "Did you mean 'p_start'?"),
        ({"p_start": 1.5}, "less than or equal to 1"),
    ],
)
def test_wrong_settings_are_refused(text, capsys, written, said):
    text(stop_after=5)
    _, code = text(**RESUMED | {"trainer.resume_token_corruption": written})

    assert code == 2
    told = capsys.readouterr().err
    assert said in told or "p_start' cannot be 1.5" in told


def test_a_model_that_corrupts_nothing_is_told_so_only_if_settings_are_given(lab, capsys):
    assert fit(lab(**{"trainer.max_epochs": 1})) == 0
    more = {"run.resume": "auto", "trainer.max_epochs": 2}
    assert fit(lab(**more | {"trainer.resume_token_corruption": True})) == 0
    more["trainer.max_epochs"] = 3
    assert fit(lab(**more | {"trainer.resume_token_corruption": {"p_end": 0.0}})) == 2
    assert "Net has no method 'set_token_corruption'" in capsys.readouterr().err
