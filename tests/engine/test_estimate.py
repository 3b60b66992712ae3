"""What a training is said to take is what it takes: counted on shapes, and beside what is held."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from trainer.config.schema import load_resolved
from trainer.engine import build
from trainer.engine.allocated import Allocated
from trainer.engine.estimate import _precision, estimate, trace
from trainer.engine.fits import GIB, check_memory, held_by
from trainer.engine.shapes import as_if_real, fake_batch, make_fake, module_of_shapes
from trainer.errors import ConfigError

OWN = "enginelab.estimated"
WEIGHTS = 64 * 64 * 3


@pytest.fixture
def asked(lab):
    """Estimate the lab's recipe with some keys changed."""

    def ask(prepare: bool = True, **changes: Any) -> dict[str, Any]:
        base = {"model._target_": f"{OWN}.Wide", "data._target_": f"{OWN}.Rows"}
        folder = lab("estimated", **(base | changes))
        config = load_resolved(folder / "config.yaml").model_dump(exclude_unset=True)
        return estimate(config, prepare=prepare)

    return ask


@pytest.mark.parametrize(
    ("changes", "width", "kept"),
    [
        ({}, 4, 2),
        ({"trainer.precision": "bf16-mixed"}, 4, 2),
        ({"trainer.precision": "bf16-true"}, 2, 2),
        ({"optimizer": {"type": "SGD", "config": {"lr": 0.1}}}, 4, 0),
        ({"optimizer": {"type": "ASGD", "config": {"lr": 0.1}}}, 4, 1),
    ],
)
def test_weights_gradients_and_state_are_exact(asked, changes, width, kept):
    found = asked(**changes)
    assert (found["parameters"], found["trained"]) == (WEIGHTS, WEIGHTS)
    assert found["weights"] == found["gradients"] == WEIGHTS * width
    assert found["state"] == WEIGHTS * width * kept
    assert found["method"] == "shapes"
    assert found["batch"] == 4
    assert found["notes"] == []


def test_the_trace_on_shapes_is_what_real_tensors_take(lab, asked):
    found = asked(**{"dataloader.batch_size": 32})
    folder = lab(
        "estimated",
        **{"model._target_": f"{OWN}.Wide", "data._target_": f"{OWN}.Rows"},
    )
    resolved = load_resolved(folder / "config.yaml")
    written = resolved.model_dump(exclude_unset=True)
    config = resolved.model_dump() | {n: written.get(n, {}) for n in ("data", "model", "loss")}
    module = build.module_of(config)
    batch = (torch.randn(32, 64), torch.randn(32, 64))
    optimizer = torch.optim.AdamW(module.parameters())
    with Allocated() as counted:
        real = trace(
            module, [optimizer], batch, counted, precision=_precision(config), accumulate=False
        )
    assert real.beside(1) == found["activations"]
    assert real.state == held_by(optimizer) == found["state"]
    # Three outputs of 32 x 64 at the least, and the batch.
    assert found["activations"] > 5 * 32 * 64 * 4


def test_twice_the_batch_takes_twice_the_activations(asked):
    small, large = (asked(**{"dataloader.batch_size": n})["activations"] for n in (256, 512))
    assert 1.8 < large / small < 2.2


def test_mixed_precision_takes_less(asked):
    changes = {"dataloader.batch_size": 512}
    full = asked(**changes)["activations"]
    mixed = asked(**changes, **{"trainer.precision": "bf16-mixed"})["activations"]
    assert mixed < 0.95 * full


def test_only_what_an_adapter_trains_has_gradients_and_state(asked):
    found = asked(**{"model._target_": f"{OWN}.Adapted"})
    adapter = 2 * 64 * 4 * 3
    assert found["parameters"] == WEIGHTS + adapter
    assert found["trained"] == adapter
    assert found["weights"] == (WEIGHTS + adapter) * 4
    assert found["gradients"] == adapter * 4
    assert found["state"] == adapter * 8


def test_copies_of_the_weights_and_buckets_of_several_devices(asked):
    average = {"_target_": "pytorch_lightning.callbacks.EMAWeightAveraging"}
    found = asked(**{"callbacks": {"ema": average}, "trainer.devices": 2})
    assert found["averages"] == found["weights"]
    assert found["buckets"] == found["gradients"]
    assert found["devices"] == 2
    assert asked()["buckets"] == asked()["averages"] == 0


GPUS = {"trainer.accelerator": "gpu", "trainer.devices": 4}


@pytest.mark.parametrize(
    ("strategy", "precision", "weights", "gradients", "state", "gathered"),
    [  # bytes for each value, by the papers' formulas; 4 devices, AdamW
        ("fsdp", "32-true", 1, 1, 2, 8),
        ("fsdp", "bf16-mixed", 1, 1, 2, 4),
        ("fsdp", "bf16-true", 0.5, 0.5, 1, 4),
        ("fsdp_cpu_offload", "32-true", 0, 0, 0, 8),
        ("deepspeed_stage_1", "32-true", 4, 4, 3, 0),
        ("deepspeed_stage_1", "16-mixed", 2, 2, 3, 0),
        ("deepspeed", "bf16-mixed", 2, 0.5, 3, 0),
        ("deepspeed_stage_2_offload", "bf16-true", 2, 0, 0, 0),
        ("deepspeed_stage_3", "bf16-true", 0.5, 0.5, 3, 4 / 3),
        ("deepspeed_stage_3_offload", "bf16-true", 0, 0, 0, 4 / 3),
    ],
)
def test_what_strategies_divide(asked, strategy, precision, weights, gradients, state, gathered):
    found = asked(**GPUS, **{"trainer.strategy": strategy, "trainer.precision": precision})
    kept = (found["weights"], found["gradients"], found["state"], found["gathered"])
    assert kept == tuple(WEIGHTS * each for each in (weights, gradients, state, gathered))
    assert (found["shards"], found["buckets"], found["method"]) == (4, 0, "shapes")
    assert f"What {strategy} divides among 4 devices is computed" in found["notes"][0]


def test_what_is_divided_among_nobody_knows_how_many_is_whole(asked):
    words = {"trainer.accelerator": "gpu", "trainer.devices": "auto", "trainer.strategy": "fsdp"}
    found = asked(**words)
    assert (found["weights"], found["shards"]) == (WEIGHTS * 4, 1)
    assert "here they are whole" in found["notes"][0]
    # With two machines of four each.
    assert asked(**GPUS | {"trainer.strategy": "fsdp", "trainer.num_nodes": 2})["shards"] == 8


def test_training_is_refused_by_the_share_of_each_device(lab):
    changes = {"trainer.strategy": "deepspeed_stage_3", "model.width": 20_000, **GPUS}
    config = _whole(lab, **changes)
    module = module_of_shapes(config)
    values = sum(p.numel() for p in module.parameters())
    config["hardware"] = {"device": "cuda", "available_memory_gb": values * 5.1 / GIB}
    check_memory(module, config)  # 4 bytes of weights, 4 of gradients and 12 of state, by 4
    config["hardware"]["available_memory_gb"] = values * 4.9 / GIB
    with pytest.raises(ConfigError, match="deepspeed_stage_3 gives each of 4 devices its share"):
        check_memory(module, config)
    config["trainer"]["devices"] = "auto"
    check_memory(module, config)  # nobody knows


def test_a_model_that_looks_at_numbers_is_trained_on_small_batches(asked):
    exact = asked(**{"dataloader.batch_size": 16})
    found = asked(**{"dataloader.batch_size": 16, "model._target_": f"{OWN}.Looking"})
    assert found["method"] == "scaled"
    assert found["batch"] == 16
    assert found["state"] == exact["state"]
    assert found["activations"] == pytest.approx(exact["activations"], rel=0.1)


def test_what_cannot_be_traced_leaves_the_exact_part_and_a_reason(asked):
    found = asked(**{"model._target_": f"{OWN}.Broken"})
    assert found["activations"] is None
    assert found["method"] == ""
    assert found["state"] == WEIGHTS * 8
    (note,) = found["notes"]
    assert note.startswith("Activations are unknown: ")
    assert "no such luck" in note


def test_nothing_is_prepared_unasked(asked):
    found = asked(prepare=False, **{"data._target_": f"{OWN}.Slow"})
    assert found["activations"] is None
    assert "Slow gives no example_batch()" in found["notes"][0]
    assert asked(prepare=False)["method"] == "shapes"  # it gives an example


def test_a_module_of_ones_own_with_its_own_optimizer(asked):
    own = {"model._target_": f"{OWN}.Own", "loss": {}, "data._target_": f"{OWN}.Slow"}
    found = asked(**own)
    assert found["state"] == 64 * 64 * 4
    assert found["method"] == "shapes"
    manual = asked(**own | {"model._target_": f"{OWN}.Manual"})
    assert manual["activations"] is None
    assert "steps its optimisers itself" in manual["notes"][0]


def test_a_model_of_any_size_is_built_on_shapes(asked, lab):
    found = asked(**{"model.width": 200_000})  # 120 GB for each layer
    assert found["weights"] == (2 * 64 * 200_000 + 200_000**2) * 4
    assert found["method"] == "shapes"
    module = module_of_shapes(_whole(lab))
    assert all(p.is_meta for p in module.parameters())


def test_storages_count_once_and_until_nobody_holds_them():
    with Allocated() as counted:
        x = torch.ones(100)
        y = x.view(10, 10)[:2]
        assert counted.live == 400
        del x
        assert counted.live == 400
        z = y + 1
        assert counted.live == 480
        del y, z
        assert (counted.live, counted.peak) == (0, 480)


def _whole(lab, **changes: Any) -> dict[str, Any]:
    folder = lab("whole", **{"model._target_": f"{OWN}.Wide", **changes})
    resolved = load_resolved(folder / "config.yaml")
    written = resolved.model_dump(exclude_unset=True)
    return resolved.model_dump() | {n: written.get(n, {}) for n in ("data", "model", "loss")}


def test_transformers_treats_fake_tensors_as_real_ones_meanwhile():
    tools = pytest.importorskip("transformers.utils.import_utils")
    with FakeTensorMode():
        fake = torch.ones(1)
    assert tools.is_tracing(fake)
    with as_if_real():
        assert not tools.is_tracing(fake)
    assert tools.is_tracing(fake)


@pytest.mark.parametrize("more", [{}, {"bidirectional": True}, {"dtype": torch.bfloat16}])
def test_what_an_lstm_keeps_is_counted_on_shapes_as_on_real_tensors(more):
    def peak(mode: FakeTensorMode | None) -> int:
        layers = torch.nn.LSTM(8, 16, 2, batch_first=True, **more)
        rows = torch.randn(4, 30, 8, dtype=more.get("dtype"))
        if mode is not None:
            make_fake(layers, mode)
            rows = fake_batch(rows, mode)
        with mode or nullcontext(), Allocated() as counted:
            counted.note([list(layers.parameters()), rows])
            layers(rows)[0].pow(2).mean().backward()
        return counted.peak

    # An estimate promises 15 %; of tensors as small as these a few odd bytes weigh much.
    real = peak(None)
    assert peak(FakeTensorMode()) == pytest.approx(real, rel=0.1)


def test_what_a_gpu_keeps_of_recurrent_layers_is_unknown(asked):
    changes = {"model._target_": f"{OWN}.Recurrent"}
    found = asked(**changes)
    assert (found["partial"], found["notes"], found["method"]) == (False, [], "shapes")
    found = asked(**changes, **{"trainer.accelerator": "gpu"})
    assert found["partial"]
    assert "workspace" in found["notes"][0]
