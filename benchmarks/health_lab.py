"""Small real trainings for the benchmark of health: one is trained once, and its rows are judged.

What is ill is told by how a training ends, without a look at any alert. Let *end* be the median loss
of the last tenth of its steps, and the *twin* the same task and seed with the same optimiser,
trained for 240 steps as people do.
A training is **ill** if

* a loss of the last tenth is no finite number, or
* its end is above the twin's first loss: it knows less than an untrained model, or
* its twin ends below the best constant answer (the same output for whatever input), and it gained
  less than a tenth of what its twin gained on that.

Else it is **well**, whatever was done to it: it has recovered.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from trainer.config.schema_health import Health
from trainer.engine.health.layers import EVERY_STEPS, LayerRatio
from trainer.health import Alert, HealthWatch
from trainer.health.window import median

Batch = tuple[Tensor, Tensor]
# A training on this share of its twin's gain is no better than a constant answer.
GAIN = 0.1
# Seconds that a batch takes here, so that no alert depends on the load of the machine.
_BUSY, _WAIT = 0.005, 0.001
_KEYWORDS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9},
    "LBFGS": {"line_search_fn": "strong_wolfe"},
    "RMSprop": {"momentum": 0.5},
}


@dataclass(frozen=True)
class Task:
    """Data, a model for them and a loss.

    Attributes:
        data: Makes inputs and targets with a generator of random numbers.
        model: Makes the model.
        loss: Takes the model's output and targets.
        slow: Whether it costs much, so that fewer ways and seeds are tried.
    """

    data: Callable[[torch.Generator], Batch]
    model: Callable[[], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    slow: bool = False


@dataclass(frozen=True)
class Plan:
    """One training: a task, how it is trained, and what makes it ill.

    Attributes:
        hotter: The step from which on the learning rate is so many times higher.
    """

    task: Task
    seed: int
    optimizer: str = "AdamW"
    lr: float = 3e-3
    schedule: str = "constant"
    batch: int = 32
    steps: int = 240
    accumulate: int = 1
    resume_at: int = 0
    clip: float | None = None
    val_every: int = 40
    decay: float = 0.0
    hotter: tuple[int, float] = (0, 1.0)
    break_model: Callable[[nn.Module], None] | None = None
    break_batch: Callable[[int, Batch], Batch] | None = None
    break_val: Callable[[Batch], Batch] | None = None
    data_count: int = 0
    wait: float = _WAIT

    def twin(self) -> Plan:
        """Give the same training without what makes it ill."""
        sgd = self.optimizer == "SGD"
        plain = Plan(self.task, self.seed, batch=self.batch)
        return replace(plain, optimizer="SGD", lr=0.02) if sgd else plain


@dataclass
class Trace:
    """What a training left.

    Attributes:
        rows: Step and metrics of each row.
        losses: The training loss of each step.
        constant: The loss of the best constant answer.
        resume_at: The step at which the watch is saved and loaded.
        clip: The norm that gradients were clipped to.
    """

    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    constant: float = math.nan
    resume_at: int = 0
    clip: float | None = None

    @property
    def end(self) -> float:
        """The median loss of the last tenth; NaN if one of them is no finite number."""
        tail = self.losses[-max(1, len(self.losses) // 10) :]
        return median(tail) if all(math.isfinite(loss) for loss in tail) else math.nan

    def ill(self, twin: Trace) -> bool:
        """Tell whether the training is ill, by how it ends."""
        end = self.end
        if not math.isfinite(end) or end > twin.losses[0]:
            return True
        gain = twin.constant - twin.end
        return gain > 0.0 and twin.constant - end < GAIN * gain

    def judge(self, settings: Health | None = None) -> list[Alert]:
        """Show the rows to the detectors, with default settings, and give the alerts."""
        settings = settings or Health()
        watch = HealthWatch(settings, self.clip)
        alerts: list[Alert] = []
        for step, metrics in self.rows:
            if self.resume_at and step == self.resume_at and "train/loss" in metrics:
                state = json.loads(json.dumps(watch.state()))
                watch = HealthWatch(settings, self.clip)
                watch.load(state)
            alerts += watch.feed([(0.1 * step, step, 0, metrics)])
        return alerts


def train(plan: Plan) -> Trace:
    """Train, and give what a run would have recorded."""
    torch.manual_seed(plan.seed)
    task = plan.task
    generator = torch.Generator().manual_seed(1000 + plan.seed)
    x, y = task.data(generator)
    if plan.data_count:
        x, y = x[: plan.data_count], y[: plan.data_count]
    val = task.data(torch.Generator().manual_seed(5000 + plan.seed))
    if plan.break_val is not None:
        val = plan.break_val(val)
    model = task.model()
    trace = Trace(
        constant=best_constant(task, model, x, y), resume_at=plan.resume_at, clip=plan.clip
    )
    if plan.break_model is not None:
        plan.break_model(model)
    kind: Any = getattr(torch.optim, plan.optimizer)
    more = dict(_KEYWORDS.get(plan.optimizer, {}))
    if plan.decay:
        more["weight_decay"] = plan.decay
    optimizer = kind(model.parameters(), lr=plan.lr, **more)
    schedule = scheduler_of(plan.schedule, optimizer, plan.steps)
    ratio = LayerRatio()
    for step in range(1, plan.steps + 1):
        if step == plan.hotter[0]:
            for group in optimizer.param_groups:
                group["lr"] *= plan.hotter[1]
        picked = [
            torch.randint(len(x), (plan.batch,), generator=generator)
            for _ in range(plan.accumulate)
        ]
        batches = [(x[at], y[at]) for at in picked]
        if plan.break_batch is not None:
            batches = [plan.break_batch(step, batch) for batch in batches]
        losses: list[float] = []

        def closure(batches: list[Batch] = batches, losses: list[float] = losses) -> float:
            optimizer.zero_grad()
            total = 0.0
            for bx, by in batches:
                loss = task.loss(model(bx), by) / len(batches)
                loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
                total += loss.item()
            losses.append(total)
            return total

        row = {
            "lr": float(optimizer.param_groups[0]["lr"]),
            "perf/batch_time_sec": _BUSY,
            "perf/data_wait_sec": plan.wait,
        }
        closure()
        norm = nn.utils.clip_grad_norm_(model.parameters(), plan.clip or math.inf)
        row["grad_norm"] = float(norm)
        if (step - 1) % EVERY_STEPS == 0 and (found := ratio.of(optimizer)) is not None:
            row["grad_norm_ratio"] = float(found)
        optimizer.step(*([closure] if plan.optimizer == "LBFGS" else []))
        row["train/loss"] = score = losses[0]
        trace.losses.append(score)
        trace.rows.append((step, row))
        if step % plan.val_every == 0:
            model.eval()
            with torch.no_grad():
                score = float(task.loss(model(val[0]), val[1]))
            model.train()
            trace.rows.append((step, {"val/loss": score}))
        if schedule is not None and (plan.schedule != "plateau" or step % plan.val_every == 0):
            schedule.step(*([score] if plan.schedule == "plateau" else []))
    return trace


def best_constant(task: Task, model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Give the loss of the best output that does not look at the input."""
    with torch.no_grad():
        model.eval()
        shape = model(x[:2]).shape
        model.train()
    answer = torch.zeros(shape[-1], requires_grad=True)
    optimizer = torch.optim.LBFGS([answer], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = task.loss(answer.expand(len(x), *shape[1:]), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return float(task.loss(answer.expand(len(x), *shape[1:]), y))


def scheduler_of(name: str, optimizer: torch.optim.Optimizer, steps: int) -> Any:
    """Make a schedule by the name that the plans use."""
    of = torch.optim.lr_scheduler
    made: dict[str, Callable[[], Any]] = {
        "constant": lambda: None,
        "warmup": lambda: of.LinearLR(optimizer, 0.01, total_iters=steps // 3),
        "restarts": lambda: of.CosineAnnealingWarmRestarts(optimizer, steps // 3),
        "cosine": lambda: of.CosineAnnealingLR(optimizer, steps),
        "onecycle": lambda: of.OneCycleLR(optimizer, 0.02, steps),
        "step": lambda: of.StepLR(optimizer, steps // 2, 0.1),
        "plateau": lambda: of.ReduceLROnPlateau(optimizer, patience=1),
        "cyclic": lambda: of.CyclicLR(optimizer, 1e-3, 2e-2, steps // 6, cycle_momentum=False),
        "polynomial": lambda: of.PolynomialLR(optimizer, steps, 2.0),
        "exponential": lambda: of.ExponentialLR(optimizer, 0.01 ** (1 / steps)),
    }
    return made[name]()
