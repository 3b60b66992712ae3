"""How often health's detectors are right: small real trainings, well and ill, and the recordings.

Every training is a plain torch loop of a few hundred steps whose rows (loss, gradient norm, learning
rate, times, validation) go to `HealthWatch` with its default settings, as rows of a run would. The
tasks in `HELD_OUT` were trained only after all thresholds had been settled.

    python -m benchmarks.health            # the table
    python -m benchmarks.health --runs     # every run with its alerts
"""

from __future__ import annotations

import gzip
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainer.config.schema_health import Health
from trainer.engine.health.layers import EVERY_STEPS, LayerRatio
from trainer.health import Alert, HealthWatch
from trainer.health.stall import StallClock
from trainer.health.window import median

Row = tuple[str, str, str]
Batch = tuple[Tensor, Tensor]
RECORDINGS = Path(__file__).resolve().parent.parent / "screenshots" / "recordings"
# Of the recordings, the one that was made with far too high a learning rate.
SICK_RECORDING = "too-hot"


# These may come round by themselves, and are well then.
MAY_RECOVER = (
    "learning rate x100, SGD",
    "learning rate x100, Adam",
    "weights x30 at the start",
    "inputs x1000 from step 300",
)


# ---- tasks: data, a loss, and a model for them -------------------------------------------------


def blobs(generator: torch.Generator, count: int = 512, kinds: int = 5) -> Batch:
    """Points around five centres, some of them nearer to another."""
    centres = torch.randn(kinds, 8, generator=torch.Generator().manual_seed(1)) * 1.5
    y = torch.randint(kinds, (count,), generator=generator)
    return centres[y] + torch.randn(count, 8, generator=generator), y


def riddles(generator: torch.Generator, count: int = 512) -> Batch:
    """The same points, and nothing in them that tells their kinds: to be learned by heart only."""
    x, y = blobs(generator, count)
    return x, y[torch.randperm(count, generator=generator)]


def waves(generator: torch.Generator, count: int = 512) -> Batch:
    """A noisy function of four numbers."""
    x = torch.rand(count, 4, generator=generator) * 4 - 2
    y = (3 * x[:, 0]).sin() * x[:, 1] + x[:, 2] ** 2 + 0.1 * torch.randn(count, generator=generator)
    return x, y[:, None]


def stripes(generator: torch.Generator, count: int = 384) -> Batch:
    """Small pictures with stripes in one of four directions, under noise."""
    y = torch.randint(4, (count,), generator=generator)
    at = torch.arange(8.0)
    a, b = torch.meshgrid(at, at, indexing="ij")
    kinds = torch.stack([a, b, a + b, a - b]).mul(1.5).sin()
    return (kinds[y] + torch.randn(count, 8, 8, generator=generator))[:, None], y


def code(generator: torch.Generator, count: int = 512) -> Batch:
    """Windows of this very file, byte by byte."""
    text = torch.tensor(list(Path(__file__).read_bytes()))
    begins = torch.randint(len(text) - 33, (count,), generator=generator)
    windows = torch.stack([text[b : b + 33] for b in begins.tolist()])
    return windows[:, :-1], windows[:, 1:]


class Gru(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.gru = nn.Embedding(256, 32), nn.GRU(32, 48, batch_first=True)
        self.head = nn.Linear(48, 256)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.gru(self.embed(x))[0])
        return logits


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(256, 32)
        self.place = nn.Parameter(torch.randn(32, 32) * 0.02)
        layer = nn.TransformerEncoderLayer(32, 2, 64, 0.1, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 256)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        logits: Tensor = self.head(self.layers(self.embed(x) + self.place, mask=mask))
        return logits


def mlp(width: int = 32, depth: int = 2, inputs: int = 8, outputs: int = 5) -> nn.Module:
    parts: list[nn.Module] = []
    for _ in range(depth):
        parts += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*parts, nn.Linear(inputs, outputs))


def conv() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.1), nn.Linear(64, 4)),
    )


def entropy(output: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(output.flatten(0, -2), y.flatten())


def likelihood(output: Tensor, y: Tensor) -> Tensor:
    """A Gaussian's, which goes below zero."""
    mean, raw = output[:, :1], output[:, 1:]
    return nn.functional.gaussian_nll_loss(mean, y, nn.functional.softplus(raw) + 1e-3)


def square(output: Tensor, y: Tensor) -> Tensor:
    return nn.functional.mse_loss(output, y)


@dataclass(frozen=True)
class Task:
    data: Callable[[torch.Generator], Batch]
    model: Callable[[], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]


TASKS = {
    "blobs, MLP": Task(blobs, mlp, entropy),
    "waves, MLP": Task(waves, lambda: mlp(64, 2, 4, 1), square),
    "waves, likelihood": Task(waves, lambda: mlp(64, 2, 4, 2), likelihood),
    "text, GRU": Task(code, Gru, entropy),
}
HELD_OUT = {
    "stripes, CNN with batch norm": Task(stripes, conv, entropy),
    "text, attention": Task(code, Attention, entropy),
    "blobs, linear": Task(blobs, lambda: nn.Linear(8, 5), entropy),
    "blobs, deep MLP": Task(blobs, lambda: mlp(24, 6), entropy),
}


# ---- one training ------------------------------------------------------------------------------


@dataclass
class Plan:
    """One training: a task, how it is trained, and what makes it ill."""

    task: Task
    optimizer: str = "AdamW"
    lr: float = 3e-3
    schedule: str = "constant"
    batch: int = 32
    steps: int = 400
    seed: int = 0
    accumulate: int = 1
    resume_at: int = 0
    clip: float | None = None
    val_every: int = 50
    break_model: Callable[[nn.Module], None] | None = None
    break_batch: Callable[[int, Batch], Batch] | None = None
    break_val: Callable[[Batch], Batch] | None = None
    data_count: int = 0
    wait: Callable[[int], float] | None = None
    alerts: list[Alert] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    @property
    def recovered(self) -> bool:
        """Whether it ended better than it began, whatever was done to it."""
        return median(self.losses[-50:]) < self.losses[0]

    def run(self) -> list[Alert]:
        """Train and give the alerts."""
        torch.manual_seed(self.seed)
        generator = torch.Generator().manual_seed(1000 + self.seed)
        x, y = self.task.data(generator)
        if self.data_count:
            x, y = x[: self.data_count], y[: self.data_count]
        val = self.task.data(torch.Generator().manual_seed(5000 + self.seed))
        if self.break_val is not None:
            val = self.break_val(val)
        model = self.task.model()
        if self.break_model is not None:
            self.break_model(model)
        kind: Any = getattr(torch.optim, self.optimizer)
        keywords: dict[str, dict[str, Any]] = {
            "SGD": {"momentum": 0.9},
            "LBFGS": {"line_search_fn": "strong_wolfe"},
        }
        more = keywords.get(self.optimizer, {})
        optimizer = kind(model.parameters(), lr=self.lr, **more)
        schedule = scheduler_of(self.schedule, optimizer, self.steps)
        watch, ratio = HealthWatch(Health(), self.clip), LayerRatio()
        mark = time.perf_counter()
        for step in range(1, self.steps + 1):
            if step == self.resume_at:
                state = json.loads(json.dumps(watch.state()))
                watch = HealthWatch(Health(), self.clip)
                watch.load(state)
            picked = [
                torch.randint(len(x), (self.batch,), generator=generator)
                for _ in range(self.accumulate)
            ]
            batches = [(x[at], y[at]) for at in picked]
            if self.break_batch is not None:
                batches = [self.break_batch(step, batch) for batch in batches]
            begin = time.perf_counter()
            lr = optimizer.param_groups[0]["lr"]
            losses: list[float] = []

            def closure(batches: list[Batch] = batches, losses: list[float] = losses) -> float:
                optimizer.zero_grad()
                total = 0.0
                for bx, by in batches:
                    loss = self.task.loss(model(bx), by) / len(batches)
                    loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
                    total += loss.item()
                losses.append(total)
                return total

            row: dict[str, float] = {"lr": lr}
            closure()
            row["grad_norm"] = float(
                nn.utils.clip_grad_norm_(model.parameters(), self.clip or math.inf)
            )
            if (step - 1) % EVERY_STEPS == 0:
                found = ratio.of(optimizer)
                if found is not None:
                    row["grad_norm_ratio"] = float(found)
            if self.optimizer == "LBFGS":
                optimizer.step(closure)
            else:
                optimizer.step()
            row["train/loss"] = losses[0]
            self.losses.append(losses[0])
            now = time.perf_counter()
            row["perf/batch_time_sec"] = now - begin
            row["perf/data_wait_sec"] = begin - mark
            if self.wait is not None:
                row["perf/data_wait_sec"] += self.wait(step)
            mark = now
            self.alerts += watch.feed([(time.time(), step, 0, row)])
            score = losses[0]
            if step % self.val_every == 0:
                score = self._validate(model, val, watch, step)
                mark = time.perf_counter()
            if schedule is not None and (self.schedule != "plateau" or step % self.val_every == 0):
                schedule.step(*([score] if self.schedule == "plateau" else []))
        return self.alerts

    def _validate(self, model: nn.Module, val: Batch, watch: HealthWatch, step: int) -> float:
        model.eval()
        with torch.no_grad():
            score = float(self.task.loss(model(val[0]), val[1]))
        model.train()
        self.alerts += watch.feed([(time.time(), step, 0, {"val/loss": score})])
        return score


def scheduler_of(name: str, optimizer: torch.optim.Optimizer, steps: int) -> Any:
    """Make a schedule by the name that the table uses."""
    of = torch.optim.lr_scheduler
    made: dict[str, Callable[[], Any]] = {
        "constant": lambda: None,
        "warmup": lambda: of.LinearLR(optimizer, 0.01, total_iters=100),
        "restarts": lambda: of.CosineAnnealingWarmRestarts(optimizer, 150),
        "cosine": lambda: of.CosineAnnealingLR(optimizer, steps),
        "onecycle": lambda: of.OneCycleLR(optimizer, 0.02, steps),
        "step": lambda: of.StepLR(optimizer, 200, 0.1),
        "plateau": lambda: of.ReduceLROnPlateau(optimizer, patience=2),
    }
    return made[name]()


# ---- who is well ---------------------------------------------------------------------------------


def healthy(tasks: dict[str, Task], seeds: int) -> Iterator[tuple[str, Plan]]:
    """Give trainings of a task as people do them."""
    ways: list[dict[str, Any]] = [
        {},
        {"optimizer": "SGD", "lr": 0.02},
        {"optimizer": "Adam", "schedule": "warmup"},
        {"optimizer": "Adam", "lr": 5e-3, "schedule": "restarts"},
        {"schedule": "onecycle"},
        {"optimizer": "RMSprop", "lr": 1e-3, "schedule": "step"},
        {"optimizer": "SGD", "lr": 0.02, "schedule": "plateau"},
        {"batch": 4, "lr": 1e-3, "schedule": "cosine"},
        {"batch": 8, "accumulate": 4, "clip": 1.0},
        {"resume_at": 137, "clip": 1.0, "schedule": "cosine"},
        {"optimizer": "LBFGS", "lr": 0.1, "batch": 256, "steps": 30, "val_every": 10},
        {"steps": 1300, "batch": 16, "lr": 1e-3, "schedule": "cosine"},
    ]
    for name, task in tasks.items():
        slow = name.startswith("text")
        for way in ways:
            if slow and way.get("optimizer") == "LBFGS":
                continue
            for seed in range(1 if slow or way.get("steps", 0) > 1000 else seeds):
                plan = Plan(task, seed=seed, **way)
                if slow:
                    plan.steps = min(plan.steps, 300)
                yield f"{name}: {way or 'AdamW'}, seed {seed}", plan


# ---- who is ill ----------------------------------------------------------------------------------


def _nan(step: int, batch: Batch) -> Batch:
    return (batch[0] * math.nan, batch[1]) if step == 200 else batch


def _inflate(model: nn.Module) -> None:
    for p in model.parameters():
        p.data *= 30.0


def _deep_sigmoid() -> nn.Module:
    parts: list[nn.Module] = [nn.Linear(8, 24), nn.Sigmoid()]
    for _ in range(14):
        parts += [nn.Linear(24, 24), nn.Sigmoid()]
    return nn.Sequential(*parts, nn.Linear(24, 5))


def _hotter(at: int, times: float) -> Callable[[int, Batch], Batch]:
    return lambda step, batch: (batch[0] * times, batch[1]) if step >= at else batch


def ill(tasks: dict[str, Task]) -> Iterator[tuple[str, tuple[str, ...], int, Plan]]:
    """Give (what, the kinds that are right, the step that it begins at, the training)."""
    hot = ("divergence", "exploding_gradients", "non_finite_loss")
    for name, task in tasks.items():
        for seed in (0,) if name.startswith("text") else (0, 1):
            yield (f"learning rate x100, SGD: {name}", hot, 1,
                   Plan(task, optimizer="SGD", lr=2.0, seed=seed, steps=300))  # fmt: skip
            yield (f"learning rate x100, Adam: {name}", hot, 1,
                   Plan(task, optimizer="Adam", lr=0.5, seed=seed, steps=300))  # fmt: skip
            if not name.startswith("text"):
                yield (f"a batch of NaN: {name}", ("non_finite_loss",), 200,
                       Plan(task, break_batch=_nan, seed=seed, steps=260))  # fmt: skip
                yield (f"weights x30 at the start: {name}", hot, 1,
                       Plan(task, break_model=_inflate, optimizer="SGD", lr=0.02, seed=seed,
                            steps=300))  # fmt: skip
                yield (f"inputs x1000 from step 300: {name}", hot, 300,
                       Plan(task, break_batch=_hotter(300, 1000.0), seed=seed, steps=400))  # fmt: skip
            yield (f"learning rate 0: {name}", ("plateau",), 1,
                   Plan(task, lr=0.0, seed=seed, steps=150))  # fmt: skip
    yield ("learning rate 1e-9: blobs", ("plateau",), 1,
           Plan(TASKS["blobs, MLP"], lr=1e-9, steps=1150))  # fmt: skip
    for seed in (0, 1, 2):
        yield ("15 layers of sigmoids: blobs", ("vanishing_gradients",), 1,
               Plan(Task(blobs, _deep_sigmoid, entropy), seed=seed, steps=400))  # fmt: skip
        yield ("validation from another distribution: blobs", ("validation_gap",), 50,
               Plan(TASKS["blobs, MLP"], break_val=lambda b: (-2 * b[0], b[1]), seed=seed))  # fmt: skip
        yield ("learned by heart: 64 riddles", ("overfitting", "validation_gap"), 1,
               Plan(Task(riddles, mlp, entropy), data_count=64, seed=seed, steps=900, lr=1e-2))  # fmt: skip
        yield ("a loader of 200 ms: blobs", ("loader_bound",), 1,
               Plan(TASKS["blobs, MLP"], wait=lambda _: 0.2, seed=seed, steps=200))  # fmt: skip
        yield ("clipped to 0.001: blobs", ("heavy_clipping",), 1,
               Plan(TASKS["blobs, MLP"], clip=1e-3, optimizer="SGD", seed=seed, steps=600))  # fmt: skip


def stalls() -> tuple[list[float], int]:
    """Let steps of many lengths stand still, on a clock that is turned by hand.

    Returns:
        Seconds from the standstill to its alert, one for each that was found; false alarms in
        healthy patterns (validations, slow first steps, epochs, a process stopped for an hour).
    """
    delays: list[float] = []
    false = 0
    for pace in (0.01, 0.3, 2.0, 20.0):
        clock = StallClock(Health())
        now, sign, step = 0.0, 0.0, 0
        for second in range(6000):
            now += 1.0
            if second == 2000:
                now += 3600.0  # the process itself was stopped
            busy = second < 400  # the first step compiles
            validates = second % 1000 > 940 and pace < 1  # a minute of validation
            if not busy and not validates and now - sign >= pace:
                sign, step = now, step + max(1, int(1.0 / pace))
            false += sum(finding.sick for finding in clock.look(now, sign, step, "training"))
        began = now
        while now - began < 4000:
            now += 1.0
            if any(finding.sick for finding in clock.look(now, sign, step, "training")):
                delays.append(now - began)
                break
    return delays, false


def recorded(folder: Path) -> list[Alert]:
    """Judge a recorded run."""
    watch = HealthWatch(Health())
    alerts: list[Alert] = []
    text = gzip.decompress((folder / "logs" / "events.jsonl.gz").read_bytes()).decode()
    for line in text.splitlines():
        event = json.loads(line)
        if event["event"] == "metrics":
            values = {name: float(value) for name, value in event["metrics"].items()}
            alerts += watch.feed([(event["ts"], event["step"], 0, values)])
    return alerts


def main() -> list[Row]:
    """Judge all of them; print each with --runs."""
    torch.set_num_threads(1)
    tell = "--runs" in sys.argv
    rows: list[Row] = []
    for title, tasks in (("settled on", TASKS), ("held out", HELD_OUT)):
        count = notes = false = 0
        for name, plan in healthy(tasks, seeds=2):
            alerts = plan.run()
            loud = [a for a in alerts if a.level != "info"]
            count, false = count + 1, false + bool(loud)
            notes += any(a.level == "info" and not a.over for a in alerts)
            if tell and alerts:
                print(f"WELL {name}: {[(a.kind, a.level, a.step, a.message) for a in alerts]}")
        rows.append((f"healthy trainings, {title}: with a false alarm", f"{false} of {count}", "0"))
        rows.append((f"… with a note (`info`), {title}", f"{notes} of {count}", ""))
    found: dict[str, list[int]] = {}
    missed: dict[str, int] = {}
    recovered: dict[str, int] = {}
    for what, kinds, begins, plan in ill({**TASKS, **HELD_OUT}):
        alerts = plan.run()
        step = next((a.step for a in alerts if a.kind in kinds and not a.over), None)
        group = what.partition(":")[0]
        missed.setdefault(group, 0)
        if step is None and group in MAY_RECOVER and plan.recovered:
            recovered[group] = recovered.get(group, 0) + 1
        elif step is None:
            missed[group] += 1
        else:
            found.setdefault(group, []).append(step - begins)
        if tell:
            print(f"ILL {what}, seed {plan.seed}: {[(a.kind, a.step, a.message) for a in alerts]}")
    for group, lost in missed.items():
        delays = sorted(found.get(group, []))
        total = lost + len(delays)
        late = f", {delays[len(delays) // 2]} steps later (at most {delays[-1]})" if delays else ""
        well = f"; {recovered[group]} more recovered" if group in recovered else ""
        rows.append((group, f"{len(delays)} of {total} found{late}{well}", "all"))
    delays_s, false = stalls()
    late = f"{min(delays_s):.0f} to {max(delays_s):.0f} s later" if delays_s else ""
    rows.append(("a step that stands still", f"{len(delays_s)} of 4 found, {late}", "all"))
    rows.append(("… false alarms in 4 healthy patterns of 100 minutes", str(false), "0"))
    for folder in sorted(path for path in RECORDINGS.iterdir() if path.is_dir()):
        kinds_seen = ", ".join(dict.fromkeys(a.kind for a in recorded(folder) if not a.over))
        wanted = "divergence or NaN" if folder.name == SICK_RECORDING else "none"
        rows.append((f"recording `{folder.name}`", kinds_seen or "none", wanted))
    return rows


if __name__ == "__main__":
    for what, measured, wanted in main():
        print(f"{what:60} {measured:50} {wanted}")
