"""`trainer.compile`: the same training, the same names in its checkpoints."""

from __future__ import annotations

import os

import pytest
import torch

from trainer.engine import compiling
from trainer.engine.fit import fit

# Makes the graphs as any backend gets them, and runs them at once.
EAGER = {"trainer.compile": {"backend": "aot_eager"}}
SHORT = {"trainer.max_epochs": 2}


@pytest.fixture(autouse=True)
def _compiled_anew():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def graphs(monkeypatch):
    """Count what is compiled, by the keywords that torch.compile gets."""
    seen = []
    own = torch.compile

    def compile_(model=None, **keywords):
        seen.append(keywords)
        return own(model, **keywords)

    monkeypatch.setattr(torch, "compile", compile_)
    return seen


def diary(folder, stop_after=0):
    return {
        "_target_": "enginelab.tiny.Diary",
        "path": str(folder / "diary"),
        "stop_after": stop_after,
    }


def run(lab, name="run", stop_after=0, **changes):
    folder = lab(name)
    assert fit(lab(name, **changes | {"callbacks.diary": diary(folder, stop_after)})) == 0
    return folder


def last(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def losses(folder):
    lines = (folder / "diary").read_text().splitlines()
    return [float.fromhex(line.split()[-1]) for line in lines]


@pytest.mark.proves("trainer.compile")
def test_a_compiled_training_is_the_same_and_keeps_its_names(lab, graphs):
    plain = run(lab, "plain", **SHORT)
    assert graphs == []
    compiled = run(lab, "compiled", **SHORT | EAGER)

    assert [call["backend"] for call in graphs] == ["aot_eager"]
    assert losses(compiled) == pytest.approx(losses(plain), rel=1e-4)
    assert last(compiled)["state_dict"].keys() == last(plain)["state_dict"].keys()


@pytest.mark.parametrize(("before", "after"), [(EAGER, {}), ({}, EAGER), (EAGER, EAGER)])
def test_checkpoints_load_with_and_without_it(lab, before, after):
    whole = run(lab, "whole", **SHORT)
    run(lab, "parts", stop_after=9, **SHORT | before)
    parts = run(lab, "parts", **SHORT | after | {"run.resume": "auto"})

    assert len(losses(parts)) == 22
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-3)


def test_a_module_of_ones_own_is_compiled_in_its_steps(lab, graphs):
    model = {"model": {"_target_": "enginelab.tiny.OwnModule"}, "loss": {}}
    plain = run(lab, "plain", **SHORT | model)
    compiled = run(lab, "compiled", **SHORT | model | EAGER)

    assert len(graphs) == 1
    assert losses(compiled) == pytest.approx(losses(plain), rel=1e-4)
    assert last(compiled)["state_dict"].keys() == last(plain)["state_dict"].keys()


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("TRAINDECK_TEST_INDUCTOR"),
    reason="a C++ compiler needs up to minutes: set TRAINDECK_TEST_INDUCTOR=1",
)
def test_true_is_torchs_own_backend(lab, graphs, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    # No validation and one batch shape: one piece of code each way is enough to be compiled.
    scene = {"model": {"_target_": "enginelab.rooms.Line"}, "trainer.max_steps": 3}
    scene |= {"data": {"_target_": "enginelab.tiny.Data", "val_count": 0}}
    plain = run(lab, "plain", **scene)
    compiled = run(lab, "compiled", **scene | {"trainer.compile": True})

    assert [call.get("backend", "inductor") for call in graphs] == ["inductor"]
    assert list((tmp_path / "cache").rglob("*.so"))
    assert losses(compiled) == pytest.approx(losses(plain), rel=1e-4)
    assert last(compiled)["state_dict"].keys() == last(plain)["state_dict"].keys()


@pytest.mark.proves(
    "trainer.compile.backend",
    "trainer.compile.mode",
    "trainer.compile.dynamic",
    "trainer.compile.fullgraph",
    "trainer.compile.options",
    "trainer.compile.enabled",
)
@pytest.mark.parametrize(
    ("written", "received"),
    [
        ({"backend": "eager", "dynamic": True}, {"backend": "eager", "dynamic": True}),
        ({"backend": "eager", "fullgraph": True}, {"backend": "eager", "fullgraph": True}),
        ({"mode": "reduce-overhead"}, {"mode": "reduce-overhead"}),
        ({"options": {"max_autotune": True}}, {"options": {"max_autotune": True}}),
    ],
)
def test_every_keyword_reaches_torch(lab, graphs, monkeypatch, written, received):
    monkeypatch.setattr(compiling, "_check", lambda *_: None)
    monkeypatch.setattr(torch, "compile", lambda model, **keywords: graphs.append(keywords))
    lab()
    fit(lab(**{"trainer.compile": written, "trainer.max_steps": 1}))

    (call,) = graphs
    assert {name: call.get(name) for name in received} == received
    graphs.clear()
    fit(lab("off", **{"trainer.compile": written | {"enabled": False}, "trainer.max_steps": 1}))
    assert graphs == []


def test_true_asks_for_torchs_own_backend(lab, graphs, monkeypatch):
    checked = []
    monkeypatch.setattr(compiling, "_check", lambda backend, device: checked.append(backend))
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **more: graphs.append(more))
    assert fit(lab(**{"trainer.compile": True, "trainer.max_steps": 1})) == 0
    assert (graphs, checked) == ([{}], ["inductor"])


def test_a_backend_that_is_not_there_is_named(lab, capsys):
    assert fit(lab(**{"trainer.compile": {"backend": "inducto"}})) == 2
    assert "Did you mean 'inductor'?" in capsys.readouterr().err


def test_a_machine_without_a_compiler_is_told_before_training(lab, events, capsys, monkeypatch):
    from torch._inductor import cpp_builder
    from torch._inductor.exc import InvalidCxxCompiler

    def none():
        raise InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none)
    folder = lab(**{"trainer.compile": True})
    assert fit(folder) == 2
    told = capsys.readouterr().err
    assert "this machine has none" in told
    assert "trainer.compile=false" in told
    assert events(folder, "run_started") == []


def test_a_model_that_cannot_be_compiled_is_told_in_a_sentence(lab, capsys):
    model = {"_target_": "enginelab.rooms.Breaks"}
    written = {"backend": "eager", "fullgraph": True}
    assert fit(lab(**{"trainer.compile": written, "model": model})) == 2
    told = capsys.readouterr().err
    assert "The model could not be compiled:" in told
    assert "Traceback" not in told


def test_averaged_weights_and_a_compiled_model_go_together(lab):
    ema = {"_target_": "pytorch_lightning.callbacks.EMAWeightAveraging", "decay": 0.5}
    scene = SHORT | {"callbacks.ema": ema}
    plain = run(lab, "plain", **scene)
    compiled = run(lab, "compiled", **scene | EAGER)

    for name, weight in last(plain)["state_dict"].items():
        torch.testing.assert_close(last(compiled)["state_dict"][name], weight)
