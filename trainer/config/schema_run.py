"""Where and under which limits a run happens: hardware, limits, the run itself."""

from __future__ import annotations

from typing import Any, Literal

from trainer.config.schema_base import Section, key


class Hardware(Section):
    """The `hardware` section: what a machine has. `trainer` follows it where it says `auto`."""

    name: str | None = key(None, "Name of the machine as people know it.", source="004")
    detect: bool = key(
        False,
        "Fill in what is not written from what this machine has; the run's config holds what was "
        "found.",
    )
    device: Literal["cpu", "cuda", "mps"] | None = key(
        None, "Kind of device; gives `trainer.accelerator` where that is `auto`.", source="004"
    )
    devices: int | None = key(
        None,
        "How many of them there are; gives `trainer.devices` where that is `auto`, and no more may "
        "be asked for.",
        ge=1,
    )
    available_memory_gb: float | None = key(
        None,
        "Memory of each device; a model whose weights, gradients and optimiser state alone need "
        "more is refused.",
        source="004",
        unit="GB",
        gt=0.0,
    )
    max_batch_size: int | None = key(
        None,
        "Largest batch that fits, per device; a larger `dataloader.batch_size` is refused.",
        source="004",
        unit="samples",
        ge=1,
    )
    max_sequence_length: int | None = key(
        None,
        "Longest sequence that fits; a longer `data.sequence_length`, `data.context` or "
        "`dataloader.max_length` is refused.",
        source="004",
        unit="tokens",
        ge=1,
    )
    supports_fp16: bool | None = key(
        None, "Whether it computes in fp16; otherwise such a precision is refused.", source="004"
    )
    supports_bf16: bool | None = key(
        None, "Whether it computes in bf16; otherwise such a precision is refused.", source="004"
    )
    supports_gradient_checkpointing: bool | None = key(
        None,
        "Whether gradient checkpointing works on it; otherwise `model.gradient_checkpointing` is "
        "refused.",
        source="004",
    )
    max_lora_rank: int | None = key(
        None, "Largest LoRA rank that fits; a greater `lora.r` is refused.", source="004", ge=1
    )
    recommended_gradient_accumulation: int | None = key(
        None,
        "Gradient accumulation that suits it; advice, shown with the profile.",
        source="004",
        unit="batches",
        ge=1,
    )
    status: Literal["supported", "available", "unsupported"] = key(
        "supported",
        "Whether PyTorch runs on it; `unsupported` refuses the launch, `available` means supported.",
        source="004",
    )
    notes: str | None = key(None, "What else there is to know about it.", source="004")
    python_path: str | None = key(
        None,
        "Without effect: training runs in the Python that launches it.",
        source="004",
        path=True,
        absent=True,
        acted_on=False,
    )
    cost_per_hour: float | None = key(
        None,
        "What an hour on the whole machine costs; shown with what a run may cost at most.",
        source="004",
        unit="$/h",
        ge=0.0,
    )


class Limits(Section):
    """The `limits` section: what a run may use before it is ended."""

    wall_clock: float | None = key(
        None,
        "Time after which a run is ended as `timeout`, with a checkpoint: seconds, `540m`, `9h` "
        "or `9:00:00`; null sets no limit.",
        source="000 001",
        unit="s",
        gt=0.0,
    )
    grace: float = key(
        60.0,
        "Time before the end at which a stop with a checkpoint is asked for.",
        source="000 001",
        unit="s",
        ge=0.0,
    )
    epoch_must_fit: bool = key(
        False,
        "Stop with a checkpoint, as `timeout`, in front of an epoch that would take longer than "
        "what is left of `wall_clock` without `grace`.",
    )
    memory_gb: float | None = key(
        None,
        "Main memory that the run and its processes may use.",
        source="000 001",
        unit="GiB",
        gt=0.0,
    )
    gpu_memory_gb: float | None = key(
        None,
        "Memory that torch may take of the GPU of each process; more is `out_of_memory`.",
        source="000 001",
        unit="GiB",
        gt=0.0,
    )


class Run(Section):
    """The `run` section: what a run is called and how it begins. No part of the config's hash."""

    name: str | None = key(None, "Name of the run; null: the preset's, or the recipe's.")
    tags: list[str] = key([], "Words to find the run by.")
    resume: str = key(
        "never",
        "`never`, `auto` (the run's own last checkpoint, if there is one) or a checkpoint's path.",
        source="000 003",
        choices=("never", "auto"),
        path=True,
    )
    num_threads: int | None = key(
        None,
        "Threads that torch computes with; null: the launcher decides and writes it down.",
        unit="threads",
        ge=1,
    )
    recipe: str | None = key(None, "What kind of task this is, for lists.")
    hash_file: str = key(
        "run_hash_summary.json", "Name of the file that holds the run's hashes.", source="000 001"
    )
    debug_log: str = key(
        "debug_log.md", "Name of the log for people, under `logs/`.", source="000 001"
    )
    eval_runner: dict[str, Any] | None = key(
        None, "Evaluate checkpoints as they appear.", source="003", acted_on=False
    )
