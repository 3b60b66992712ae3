"""Fine-tuning with LoRA: our engine beside transformers' Trainer with PEFT, on the same work.

Both train the same adapter on the same batches in the same order, with the same optimiser, schedule
and clipping, and both save once at the end. A figure is the median over the repetitions of the tokens
a second of one over the other in the same repetition; pads are no tokens. CPU time tells more where the
machine does anything else besides. The perplexities are those
of the small base that `make-base` trains, and of the same with our adapter, on unseen modules.
"""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml

from trainer.engine.sampler import ResumableBatches
from trainer.recipes.lora.data import IGNORE, Instructions
from trainer.recipes.lora.finish import FinishAdapter
from trainer.recipes.lora.measure import evaluate
from trainer.recipes.lora.model import LoraModel

Row = tuple[str, str, str]
#: Seconds by the clock, and of CPU time.
Times = tuple[float, float]
SEED = 7
LR = 2e-3
LORA: dict[str, Any] = {
    "r": 16,
    "lora_alpha": 16,
    "lora_dropout": 0.0,
    "bias": "none",
    "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"],
}


def data_of(base: str, items: int, **more: Any) -> Instructions:
    """Make the instructions of the standard library, cut to 256 tokens."""
    made = Instructions(tokenizer=base, sequence_length=256, max_items=items, **more)
    made.say = lambda _: None
    return made


def config_of(base: str, items: int, batch: int, packing: bool) -> dict[str, Any]:
    """Write the config of a run of ours."""
    return {
        "seed": SEED,
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "max_epochs": 1,
            "num_sanity_val_steps": 0,
            "limit_val_batches": 0,
            "precision": "32-true",
            "gradient_clip_val": 1.0,
        },
        "optimizer": {
            "type": "AdamW",
            "config": {"lr": LR, "betas": [0.9, 0.999], "weight_decay": 0.01},
        },
        "scheduler": {
            "type": "LinearLR",
            "interval": "step",
            "config": {"start_factor": 1.0, "end_factor": 0.0, "total_iters": "auto"},
        },
        "dataloader": {"batch_size": batch},
        "data": {
            "_target_": "trainer.recipes.lora.data.Instructions",
            "tokenizer": base,
            "sequence_length": 256,
            "max_items": items,
            "val_split": None,
            "packing": packing,
        },
        "model": {
            "_target_": "trainer.recipes.lora.model.LoraModel",
            "base_model": base,
            "lora": LORA,
        },
        "loss": {"_target_": "trainer.recipes.lora.loss.AnswerLoss"},
        "callbacks": {"adapter": {"_target_": "trainer.recipes.lora.finish.FinishAdapter"}},
        "evaluation": {"after_training": False},
        "logger": {"tensorboard": {"enabled": False}},
        "run": {"recipe": "lora", "num_threads": torch.get_num_threads()},
    }


class Clock:
    """Times a training: by the clock, and by the CPU time of all its threads."""

    def __init__(self) -> None:
        self.began = (0.0, 0.0)
        self.took: Times = (0.0, 0.0)

    def start(self) -> None:
        self.began = (time.monotonic(), time.process_time())

    def stop(self) -> None:
        self.took = (time.monotonic() - self.began[0], time.process_time() - self.began[1])


@contextmanager
def caught(clock: Clock, models: list[Any]) -> Iterator[None]:
    """Time each training of ours and take its model; no folder is left."""
    changed: Any = FinishAdapter
    start, end = changed.on_train_start, changed.on_train_end

    def take(self: FinishAdapter, trainer: Any, module: Any) -> None:
        clock.stop()
        models.append(module.model)

    changed.on_train_start = lambda *_: clock.start()
    changed.on_train_end = take
    try:
        yield
    finally:
        changed.on_train_start, changed.on_train_end = start, end


def ours(base: str, items: int, batch: int, folder: Path, packing: bool) -> tuple[Times, Any]:
    """Train in our engine; give the times and the model."""
    from trainer.engine.fit import fit
    from trainer.runs.orders import ENV_RUN, ENV_SUPERVISOR
    from trainer.runs.proc import process_start_time

    run = Path(tempfile.mkdtemp(dir=folder))
    (run / "logs").mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(config_of(base, items, batch, packing)))
    parent = os.getppid()
    os.environ |= {ENV_RUN: str(run), ENV_SUPERVISOR: f"{parent}:{process_start_time(parent)}"}
    clock = Clock()
    models: list[Any] = []
    with caught(clock, models):
        if fit(run) != 0:
            raise RuntimeError((run / "logs" / "events.jsonl").read_text()[-2000:])
    return clock.took, models[0]


def theirs(base: str, items: int, batch: int, folder: Path) -> tuple[Times, Any]:
    """Train with transformers' Trainer and PEFT; give the times and the model."""
    import transformers
    from torch.utils.data import SequentialSampler

    data = data_of(base, items)
    rows = data.train_dataset()
    order = [
        n for part in ResumableBatches(len(rows), batch, shuffle=True, seed=SEED) for n in part
    ]
    samples = []
    for number in order:
        (sample,) = rows[number]
        ids = sample.tokens.long().tolist()
        labels = [IGNORE] * sample.prompt + ids[sample.prompt :]
        samples.append({"input_ids": ids, "labels": labels, "attention_mask": [1] * len(ids)})

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *_: Any, **__: Any) -> Any:
            return SequentialSampler(samples)

    clock = Clock()

    class Timed(transformers.TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            clock.start()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            clock.stop()

    torch.manual_seed(SEED)
    model = LoraModel(base, lora=LORA)
    training = InOrder(
        model=model.network,
        args=transformers.TrainingArguments(
            output_dir=tempfile.mkdtemp(dir=folder),
            per_device_train_batch_size=batch,
            num_train_epochs=1,
            learning_rate=LR,
            weight_decay=0.01,
            lr_scheduler_type="linear",
            max_grad_norm=1.0,
            logging_steps=10,
            save_strategy="epoch",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            seed=SEED,
        ),
        train_dataset=samples,
        data_collator=transformers.DataCollatorForSeq2Seq(data.tokenizer),
        callbacks=[Timed()],
    )
    training.train()
    return clock.took, model


def compare(
    base: str, items: int, batch: int, repetitions: int, *, judge: bool = True
) -> dict[str, Any]:
    """Run both in turns; give tokens a second by repetition, and the perplexities of the last."""
    data = data_of(base, items)
    tokens = sum(len(sample.tokens) for sample in data.side("train").sequences)
    variants: dict[str, Callable[[Path], tuple[Times, Any]]] = {
        "ours": lambda folder: ours(base, items, batch, folder, packing=False),
        "theirs": lambda folder: theirs(base, items, batch, folder),
        "packed": lambda folder: ours(base, items, batch, folder, packing=True),
    }
    found: dict[str, list[float]] = {name: [] for name in variants}
    on_cpu: dict[str, list[float]] = {name: [] for name in variants}
    models: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for repetition in range(repetitions + 1):
            for name in variants if repetition % 2 == 0 else reversed(variants):
                gc.collect()
                (seconds, cpu), models[name] = variants[name](Path(place))
                if repetition:  # the first is for caches and imports
                    found[name].append(tokens / seconds)
                    on_cpu[name].append(tokens / cpu)
    judged = ("ours", "theirs") if judge else ()
    values = {name: evaluate(models[name], data_of(base, 400), answers=0) for name in judged}
    return {"rates": found, "on_cpu": on_cpu, "values": values}


def ratio(rates: dict[str, list[float]], one: str, other: str) -> float:
    """Give the median of the paired ratios."""
    return statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True))


def rows_of(
    name: str, base: str, items: int, batch: int, repetitions: int, *, judge: bool = True
) -> list[Row]:
    """Describe one model's figures; its perplexities only if it is judged."""
    found = compare(base, items, batch, repetitions, judge=judge)
    rates, on_cpu, values = found["rates"], found["on_cpu"], found["values"]
    median = {each: statistics.median(rates[each]) for each in rates}
    rows = [
        (f"{name}: transformers' Trainer with PEFT", f"{median['theirs']:,.0f} tokens/s", ""),
        (f"{name}: ours, the same batches", f"{median['ours']:,.0f} tokens/s", ""),
        (f"{name}: ours over theirs", f"{ratio(rates, 'ours', 'theirs'):.2f}x", "≥ 1.00x"),
        (f"{name}: the same by CPU time", f"{ratio(on_cpu, 'ours', 'theirs'):.2f}x", ""),
        (f"{name}: ours packed over theirs", f"{ratio(rates, 'packed', 'theirs'):.2f}x", ""),
    ]
    if values:
        what = f"{name}: perplexity on unseen modules, base / ours / theirs"
        each = (values["ours"].base_perplexity, values["ours"].adapter_perplexity)
        told = " / ".join(f"{one:.1f}" for one in (*each, values["theirs"].adapter_perplexity))
        rows.append((what, told, "ours < base"))
    return rows


def main(items: int = 384, repetitions: int = 5) -> list[Row]:
    """Measure on the small base that `make-base` trains, and on a wider one of random weights."""
    from trainer.recipes.lora.base import BaseSettings, default_base, make_base

    warnings.filterwarnings("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    base = str(default_base(lambda text: print(text, flush=True)))
    rows = rows_of("small base", base, items, 8, repetitions)
    with tempfile.TemporaryDirectory() as place:
        wide = BaseSettings(steps=0, vocab_size=8192, hidden_size=384, layers=6, heads=6)
        make_base(None, Path(place) / "wide", wide, lambda _: None)
        # Random weights are worth nothing before and little after: only their speed counts.
        wider = str(Path(place) / "wide")
        more = rows_of("wide base", wider, items // 4, 4, max(3, repetitions - 2), judge=False)
    return rows + more


if __name__ == "__main__":
    for what, measured, target in main():
        print(f"{what:62} {measured:>26} {target:>12}")
