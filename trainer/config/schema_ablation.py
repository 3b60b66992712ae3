"""The `ablation` section: what a systematic sweep varies, and how."""

from __future__ import annotations

from typing import Literal

from trainer.config.schema_base import Section, key


class Ablation(Section):
    """The `ablation` section. A single run trains as if it were not there."""

    sweep: list[str] = key(
        [],
        "What `traindeck ablate` varies if it is given nothing else, each an override with several "
        "values as after `-m`.",
        source="001",
    )
    parallel_runs: int = key(
        1, "Trials of a sweep that train at the same time.", source="001", unit="runs", ge=1
    )
    warm_workers: bool = key(
        True,
        "Whether trials are forked from one process that has loaded torch and Lightning; otherwise "
        "each takes seconds to start.",
    )
    leaderboard: list[Literal["md", "html"]] = key(
        ["md", "html"],
        "How a sweep's leaderboard is written, with a CSV beside it; an empty list for none.",
        source="001",
    )
    diagnostics: list[Literal["png", "svg"]] = key(
        ["png", "svg"],
        "How the plots of a sweep are written when it has ended; an empty list for none. They need "
        "matplotlib.",
        source="001",
    )
    publish: Literal["best", "all", "none"] = key(
        "best",
        "Whose models come to `output.models_dir`: the best trial's when the sweep has ended, each "
        "one's at its own end, or none.",
    )
