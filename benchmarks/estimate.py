"""`traindeck estimate` beside what training really takes, over recipes, batches and precisions.

Each config trains a few steps in a process of its own, on the CPU. Measured is the most that torch's
allocator had given out at once, from before the model was built, as its profiler counts it: every
tensor and every scratch buffer that torch itself asks for. Left out are Python, the libraries, and
what data sets keep outside torch; the growth of the whole process is shown beside it. Next to both
stands what Hugging Face accelerate says for the same model (`accelerate estimate-memory`, training
with Adam), which knows no activations, no adapters and no other optimisers.

`--write` puts the table into docs/estimate.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "estimate.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
STEPS = 3
#: What is promised: docs/estimate.md and `trainer.runs.estimate.ERROR`.
ERROR = 0.15
COMMON = (
    "hardware=cpu trainer.accelerator=cpu trainer.devices=1 logger=none callbacks=none "
    "dataloader.num_workers=0 trainer.limit_val_batches=0 trainer.num_sanity_val_steps=0 "
    f"trainer.max_steps={STEPS} health=off"
).split()
OWN = "quickstart ~loss ~data ~model data._target_=benchmarks.estimate_own."
POINTS: dict[str, str] = {
    "GPT tiny, batch 16": "quickstart",
    "GPT tiny, batch 64 of 256 tokens": "quickstart dataloader.batch_size=64 data.context=256 model.context=256",
    "GPT small, batch 8": "quickstart model=gpt_small dataloader.batch_size=8 data.context=256",
    "GPT small, batch 32": "quickstart model=gpt_small dataloader.batch_size=32 data.context=256",
    "GPT small, batch 16, bf16-mixed": "quickstart model=gpt_small dataloader.batch_size=16 "
    "data.context=256 trainer.precision=bf16-mixed",
    "GPT small, batch 8, bf16-true, SGD": "quickstart model=gpt_small dataloader.batch_size=8 "
    "data.context=256 trainer.precision=bf16-true optimizer=sgd",
    "GPT small, batch 8, Muon, 2 accumulated": "quickstart model=gpt_small dataloader.batch_size=8 "
    "data.context=256 optimizer=muon trainer.accumulate_grad_batches=2",
    "GPT medium, batch 1 of 512 tokens": "quickstart model=gpt_medium dataloader.batch_size=1 data.context=512",
    "spectra small, batch 16": "spectramind dataloader.batch_size=16 data.planets=40",
    "spectra small, batch 64": "spectramind dataloader.batch_size=64 data.planets=128",
    "adapter, batch 4 packed": "lora dataloader.batch_size=4 data.packing=true data.sequence_length=512",
    "adapter, batch 8 packed, checkpointing": "lora dataloader.batch_size=8 data.packing=true "
    "data.sequence_length=512 model.gradient_checkpointing=true",
    "own LightningModule, batch 32": "quickstart ~loss ~data ~model data._target_=benchmarks.estimate_own.Images "
    "model._target_=benchmarks.estimate_own.Net dataloader.batch_size=32",
    "two layers of LSTM, batch 32": f"{OWN}Sequences model._target_=benchmarks.estimate_own.Recurrent dataloader.batch_size=32",
    "the same, both directions, bf16-mixed": f"{OWN}Sequences model._target_=benchmarks.estimate_own.Recurrent "
    "dataloader.batch_size=32 +model.bidirectional=true trainer.precision=bf16-mixed",
    "checkpointed blocks, half of them frozen": f"{OWN}Sequences model._target_=benchmarks.estimate_own.Checkpointed dataloader.batch_size=32",
}  # fmt: skip


def measured(words: list[str], folder: Path) -> tuple[int, int]:
    """Train; give the most that torch's allocator held, and by how much the process grew."""
    import torch
    import yaml
    from torch.profiler import ProfilerActivity, profile

    from trainer.config.compose import compose
    from trainer.engine.fit import fit

    (folder / "logs").mkdir(parents=True)
    config = compose(tuple(words)).config
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    torch.ones(8, 8).matmul(torch.ones(8, 8))
    before = _status("VmRSS")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        if fit(folder):
            raise RuntimeError("the training has failed")
    grown = _status("VmHWM") - before
    live = peak = 0
    assert watched.profiler is not None
    results = watched.profiler.kineto_results
    changes = [(e.start_ns(), e.nbytes()) for e in results.events() if e.name() == "[memory]"]
    for _, size in sorted(changes, key=lambda change: change[0]):
        live += size
        peak = max(peak, live)
    return peak, grown


def accelerate_says(config: dict[str, Any]) -> int:
    """Give what accelerate's command would show for training this model with Adam."""
    from accelerate.commands.estimate import (  # type: ignore[import-untyped]
        estimate_training_usage,
    )
    from accelerate.utils import calculate_maximum_sizes  # type: ignore[import-untyped]

    from trainer.config.schema import Config
    from trainer.engine.shapes import module_of_shapes

    resolved = Config.model_validate(config)
    written = resolved.model_dump(exclude_unset=True)
    names = ("data", "model", "loss")
    whole = resolved.model_dump() | {name: written.get(name, {}) for name in names}
    module = module_of_shapes(whole)
    total, _ = calculate_maximum_sizes(getattr(module, "model", module))
    precision = str(config["trainer"].get("precision"))
    kind = "bfloat16" if precision.startswith("bf16") else "float32"
    usage = estimate_training_usage(total, kind)
    # The command shows the largest of the four, which come one after the other.
    return int(max(usage.values()))


def point(words: list[str], what: str, folder: Path) -> dict[str, Any]:
    """Answer one of the three questions, in this process."""
    from trainer.config.compose import compose

    if what == "measure":
        peak, grown = measured(words, folder)
        return {"peak": peak, "grown": grown}
    from trainer.engine.estimate import estimate
    from trainer.runs.estimate import Estimate

    config = compose(tuple(words)).config
    found = Estimate(**estimate(config, prepare=True))
    return {
        "total": found.total,
        "exact": found.exact,
        "method": found.method,
        "notes": found.notes,
        "accelerate": accelerate_says(dict(config)),
    }


def found(names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Estimate and measure each point."""
    for name in names:
        words = [*POINTS[name].split(), *COMMON]
        answer: dict[str, Any] = {}
        for what in ("estimate", "measure"):
            with tempfile.TemporaryDirectory() as place:
                answer |= _child(words, what, Path(place))
        print(name, answer, file=sys.stderr, flush=True)
        yield name, answer


def table(names: list[str]) -> tuple[str, float]:
    """Give the table as Markdown, and the largest error."""
    lines = [
        "| model and batch | weights, gradients, state | estimate | measured | error | process grew by | accelerate |",
        "|---|---|---|---|---|---|---|",
    ]
    worst = 0.0
    for name, answer in found(names):
        error = answer["total"] / answer["peak"] - 1
        worst = max(worst, abs(error))
        cells = [answer[key] for key in ("exact", "total", "peak", "grown", "accelerate")]
        exact, total, peak, grown, other = (f"{cell / 1e6:,.1f} MB" for cell in cells)
        lines.append(
            f"| {name} | {exact} | {total} | {peak} | {100 * error:+.1f} % | {grown} | {other} |"
        )
    return "\n".join(lines), worst


def main() -> list[tuple[str, str, str]]:
    """Give the row for `make bench`."""
    _, worst = table(list(POINTS))
    what = f"Estimate of memory beside the measured peak, {len(POINTS)} models and batches: largest error"
    return [(what, f"{100 * worst:.1f} %", f"<= {100 * ERROR:.0f} %")]


def _child(words: list[str], what: str, place: Path) -> dict[str, Any]:
    code = (
        "import json, sys; from pathlib import Path; from benchmarks.estimate import point; "
        "print('ANSWER ' + json.dumps(point(json.loads(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))))"
    )
    (place / "traindeck").mkdir()
    (place / "traindeck" / "settings.yaml").write_text("allowed_prefixes: [benchmarks]\n")
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(words), what, str(place / "run")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        # Large tensors go back to the system at once, so that the process's size means something.
        env={**os.environ, "XDG_CONFIG_HOME": str(place), "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    for line in done.stdout.splitlines():
        if line.startswith("ANSWER "):
            return dict(json.loads(line[7:]))
    raise RuntimeError(f"{what} of {' '.join(words)} has failed (exit code {done.returncode})")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    chosen = [word for word in sys.argv[1:] if word != "--write"]
    text, largest = table([name for name in POINTS if not chosen or any(c in name for c in chosen)])
    print(text)
    print(f"largest error {100 * largest:.1f} %")
    if "--write" in sys.argv:
        page = PAGE.read_text(encoding="utf-8")
        block = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
        whole = f"{BEGIN}\n{text}\n{END}"
        PAGE.write_text(block.sub(lambda _: whole, page), encoding="utf-8")
