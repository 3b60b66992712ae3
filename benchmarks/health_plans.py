"""Who is well and who is ill in the benchmark of health: how tasks are trained, and what breaks them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.health_lab import Batch, Plan, Task
from benchmarks.health_tasks import BLOBS, RIDDLES, blobs, entropy

HOT = ("divergence", "exploding_gradients", "non_finite_loss")
# A training that is broken may also just not move.
STUCK = ("plateau", "vanishing_gradients")

WAYS: list[dict[str, Any]] = [
    {},
    {"optimizer": "SGD", "lr": 0.02},
    {"optimizer": "Adam", "schedule": "warmup"},
    {"optimizer": "Adam", "lr": 5e-3, "schedule": "restarts"},
    {"schedule": "onecycle"},
    {"optimizer": "RMSprop", "lr": 1e-3, "schedule": "step"},
    {"optimizer": "SGD", "lr": 0.02, "schedule": "plateau"},
    {"batch": 4, "lr": 1e-3, "schedule": "cosine"},
    {"batch": 8, "accumulate": 4, "clip": 1.0, "steps": 120},
    {"resume_at": 87, "clip": 1.0, "schedule": "cosine"},
    {"optimizer": "LBFGS", "lr": 0.1, "batch": 256, "steps": 30, "val_every": 10},
    {"steps": 1200, "batch": 16, "lr": 1e-3, "schedule": "cosine"},
]
# Other ways for the tasks that are held out.
FRESH_WAYS: list[dict[str, Any]] = [
    {},
    {"optimizer": "SGD", "lr": 0.02, "schedule": "cosine"},
    {"optimizer": "NAdam", "lr": 2e-3, "schedule": "polynomial"},
    {"optimizer": "Adagrad", "lr": 0.02},
    {"optimizer": "Adam", "lr": 3e-3, "schedule": "cyclic"},
    {"optimizer": "RAdam", "lr": 5e-3, "schedule": "exponential"},
    {"batch": 2, "lr": 5e-4},
    {"batch": 128, "lr": 1e-2, "schedule": "warmup", "decay": 0.1},
    {"optimizer": "SGD", "lr": 0.05, "clip": 0.5, "resume_at": 61, "schedule": "restarts"},
    {"optimizer": "LBFGS", "lr": 0.5, "batch": 256, "steps": 30, "val_every": 10},
    {"steps": 1200, "batch": 16, "lr": 1e-3, "schedule": "onecycle"},
]


def healthy(
    tasks: dict[str, Task], ways: list[dict[str, Any]], seeds: tuple[int, ...]
) -> Iterator[tuple[str, Plan]]:
    """Give trainings of tasks as people do them, each with a name."""
    for name, task in tasks.items():
        for way in ways[::2] if task.slow else ways:
            if task.slow and (way.get("optimizer") == "LBFGS" or way.get("steps", 0) > 1000):
                continue
            once = task.slow or way.get("steps", 0) > 1000
            for seed in seeds[:1] if once else seeds:
                how = ", ".join(f"{key} {value}" for key, value in way.items()) or "AdamW"
                plan = Plan(task, seed, **({"batch": 16} if task.slow else {}) | way)
                yield f"{name}: {how}; seed {seed}", plan


@dataclass(frozen=True)
class Case:
    """A training that something is done to.

    Attributes:
        group: What is done.
        name: To what.
        kinds: The kinds of alert that are right.
        begins: The step from which on it is done.
        plan: The training.
        judged: Whether its end tells if it is ill; else it is by construction.
    """

    group: str
    name: str
    kinds: tuple[str, ...]
    begins: int
    plan: Plan
    judged: bool = True


def broken(tasks: dict[str, Task], seeds: tuple[int, ...]) -> Iterator[Case]:
    """Give trainings that are broken in ways that a training may survive."""
    right = HOT + STUCK
    for name, task in tasks.items():
        for seed in seeds[:1] if task.slow else seeds:
            where = f"{name}; seed {seed}"

            def case(group: str, begins: int, where: str = where, **how: Any) -> Case:
                plan = Plan(task, seed, batch=16 if task.slow else 32, **how)  # noqa: B023
                return Case(group, where, right, begins, plan)

            rates = [("SGD", 0.02, 100), ("AdamW", 3e-3, 100), ("SGD", 0.02, 1000)]
            if not task.slow:
                rates += [("SGD", 0.02, 30), ("AdamW", 3e-3, 1000)]
            for kind, lr, times in rates:
                what = f"learning rate x{times}, {kind}"
                yield case(what, 1, optimizer=kind, lr=lr * times)
            for kind, lr in (("SGD", 0.02), ("AdamW", 3e-3)):
                yield case(f"learning rate x300 from step 120, {kind}", 120,
                           optimizer=kind, lr=lr, hotter=(120, 300.0))  # fmt: skip
            yield case("weights x30 at the start, SGD", 1,
                       optimizer="SGD", lr=0.02, break_model=_inflate)  # fmt: skip
            if _floats(task):
                yield case("a batch of NaN", 120, break_batch=_nan, steps=160)
                yield case("inputs x1000 from step 120", 120, break_batch=_hotter)
            yield case("learning rate 0", 1, lr=0.0, steps=130)


def constructed(seeds: tuple[int, ...]) -> Iterator[Case]:
    """Give trainings that are ill by construction."""

    def case(group: str, kinds: tuple[str, ...], begins: int, plan: Plan) -> Case:
        return Case(group, f"seed {plan.seed}", kinds, begins, plan, judged=False)

    yield case("learning rate 1e-9", ("plateau",), 1,
               Plan(BLOBS, seeds[0], lr=1e-9, steps=1100))  # fmt: skip
    for seed in seeds:
        yield case("15 layers of sigmoids", ("vanishing_gradients",), 1,
                   Plan(Task(blobs, _deep_sigmoid, entropy), seed, steps=300))  # fmt: skip
        yield case("validation from another distribution", ("validation_gap",), 50,
                   Plan(BLOBS, seed, break_val=lambda b: (-2 * b[0], b[1])))  # fmt: skip
        yield case("64 riddles learned by heart", ("overfitting", "validation_gap"), 1,
                   Plan(RIDDLES, seed, data_count=64, steps=700, lr=1e-2))  # fmt: skip
        yield case("a loader of 200 ms", ("loader_bound",), 1,
                   Plan(BLOBS, seed, wait=0.2, steps=120))  # fmt: skip
        yield case("clipped to 0.001", ("heavy_clipping",), 1,
                   Plan(BLOBS, seed, clip=1e-3, optimizer="SGD", steps=550))  # fmt: skip


def _floats(task: Task) -> bool:
    return task.data(torch.Generator().manual_seed(0))[0].is_floating_point()


def _nan(step: int, batch: Batch) -> Batch:
    return (batch[0] * math.nan, batch[1]) if step == 120 else batch


def _hotter(step: int, batch: Batch) -> Batch:
    return (batch[0] * 1000.0, batch[1]) if step >= 120 else batch


def _inflate(model: nn.Module) -> None:
    for p in model.parameters():
        p.data *= 30.0


def _deep_sigmoid() -> nn.Module:
    parts: list[nn.Module] = [nn.Linear(8, 24), nn.Sigmoid()]
    for _ in range(14):
        parts += [nn.Linear(24, 24), nn.Sigmoid()]
    return nn.Sequential(*parts, nn.Linear(24, 5))
