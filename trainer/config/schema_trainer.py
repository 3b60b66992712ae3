"""The `trainer` section: Lightning's Trainer arguments under their own names, and ours."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from trainer.config.schema_base import OpenSection, Section, key

Precision = Literal[
    "transformer-engine",
    "transformer-engine-float16",
    "16-true",
    "16-mixed",
    "bf16-true",
    "bf16-mixed",
    "32-true",
    "64-true",
    "64",
    "32",
    "16",
    "bf16",
    64,
    32,
    16,
]
"""What Lightning takes as `precision`; a test compares it with the installed Lightning."""

_Share = Annotated[float, Field(ge=0.0, le=1.0)]
_Count = Annotated[int, Field(ge=0)]


class EarlyStopping(Section):
    """Keys of `trainer.early_stopping`, those of Lightning's EarlyStopping callback."""

    monitor: str = key("val/loss", "Metric to watch.", source="003")
    mode: Literal["min", "max"] = key("min", "Whether lower or higher is better.", source="003")
    patience: int = key(
        10, "Validations without improvement before training stops.", source="003", ge=0
    )
    min_delta: float = key(
        0.0, "Smallest change that counts as an improvement.", source="003", ge=0.0
    )
    check_on_train_epoch_end: bool = key(
        False, "Check at the end of each training epoch instead of after validation.", source="003"
    )
    stopping_threshold: float | None = key(
        None, "Stop as soon as the metric is at least this good.", source="003"
    )
    divergence_threshold: float | None = key(
        None, "Stop as soon as the metric is at least this bad.", source="003"
    )
    strict: bool = key(True, "Fail if the metric is not there.", source="003")
    verbose: bool = key(False, "Say in the log what is decided.", source="003")
    check_finite: bool = key(
        True, "Stop when the metric is no longer a finite number.", source="003"
    )
    log_rank_zero_only: bool = key(
        False, "Let only the first process of several write to the log.", source="003"
    )


class ResumeContext(OpenSection):
    """Keys of `trainer.resume_context`: what `resize_context` of the model is called with."""

    input_shape: list[int] | None = key(None, "New shape of the model's input.", source="003")
    spatial_reduction: int | None = key(None, "New reduction over channels.", source="003", ge=1)
    temporal_reduction: int | None = key(None, "New reduction over time.", source="003", ge=1)
    rope_theta: float | None = key(
        None, "New base of the rotary positions' frequencies.", source="003", gt=0.0
    )
    max_position_embeddings: int | None = key(
        None, "New largest number of positions.", source="003", ge=1
    )


class TokenCorruption(OpenSection):
    """Keys of `trainer.resume_token_corruption`, laid over the model's own settings."""

    enabled: bool | None = key(None, "Whether input tokens are replaced at all.", source="003")
    p_start: float | None = key(
        None, "Probability at the start of training.", source="003", ge=0.0, le=1.0
    )
    p_end: float | None = key(
        None, "Probability at the end of training.", source="003", ge=0.0, le=1.0
    )


class Compile(Section):
    """Keys of `trainer.compile`: the keywords of `torch.compile`."""

    enabled: bool = key(True, "False leaves the model as it is.")
    backend: str = key(
        "inductor",
        "Who makes the code.",
        choices=("inductor", "cudagraphs", "aot_eager", "eager"),
    )
    mode: (
        Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"] | None
    ) = key(None, "How much time goes into it, and for what.")
    dynamic: bool | None = key(
        None, "Whether shapes may change; null finds out, compiling again when one does."
    )
    fullgraph: bool = key(False, "Fail where the model cannot be compiled as one piece.")
    options: dict[str, Any] | None = key(None, "The backend's own settings; not beside `mode`.")


class LightningArgs(Section):
    """The arguments of `pytorch_lightning.Trainer` that a profile can give.

    Names and defaults are held against the installed Lightning by a test (`lightning_args.py`).
    `logger`, `plugins` and `max_time` have places of their own; see `HANDLED_ELSEWHERE`.
    """

    accelerator: str = key(
        "auto",
        "Kind of device to train on; `auto` follows the hardware profile.",
        source="000 002 003",
        choices=("auto", "cpu", "gpu", "cuda", "mps", "tpu", "hpu"),
    )
    strategy: str = key(
        "auto", "How several devices work together: `auto`, `ddp`, `fsdp`, …", source="002"
    )
    devices: int | str | list[int] = key(
        "auto",
        "How many devices to use, or which: a count, indices, `-1` or `auto` for all.",
        source="002 003",
    )
    num_nodes: int = key(1, "Machines that train together.", ge=1)
    precision: Precision | None = key(
        None,
        "Numeric precision; null leaves it to `trainer.amp`, then to Lightning (32-true).",
        source="002 003",
    )
    callbacks: list[dict[str, Any]] = key(
        [], "More Lightning callbacks, each a class by `_target_` with its keywords.", source="003"
    )
    fast_dev_run: bool | _Count = key(
        False, "Run only this many batches (true: one) of everything, to find mistakes."
    )
    max_epochs: int | None = key(
        None,
        "Stop after this many epochs; -1 never stops.",
        source="000 001 002 003 004",
        unit="epochs",
        ge=-1,
    )
    min_epochs: int | None = key(None, "Train at least this many epochs.", unit="epochs", ge=0)
    max_steps: int = key(
        -1,
        "Stop after this many optimiser steps; -1 sets no limit.",
        source="002 004",
        unit="steps",
        ge=-1,
    )
    min_steps: int | None = key(
        None, "Train at least this many optimiser steps.", unit="steps", ge=0
    )
    limit_train_batches: _Count | _Share | None = key(
        None, "Training batches of an epoch: a count, or a share of them all."
    )
    limit_val_batches: _Count | _Share | None = key(
        None, "Validation batches: a count, or a share of them all.", source="004"
    )
    limit_test_batches: _Count | _Share | None = key(
        None, "Test batches: a count, or a share of them all."
    )
    limit_predict_batches: _Count | _Share | None = key(
        None, "Prediction batches: a count, or a share of them all."
    )
    overfit_batches: _Count | _Share = key(
        0.0, "Train on this few batches (a count or a share) again and again."
    )
    val_check_interval: _Count | _Share | str | dict[str, int] | None = key(
        None,
        "Validate every so many batches, or at this share of an epoch, or after a time "
        "(`DD:HH:MM:SS`).",
        source="004",
    )
    check_val_every_n_epoch: int | None = key(
        1,
        "Validate every so many epochs; null counts batches across epochs.",
        source="002 004",
        unit="epochs",
        ge=1,
    )
    num_sanity_val_steps: int | None = key(
        None,
        "Validation batches to try before training; -1 for all, null for two.",
        source="002",
        unit="batches",
        ge=-1,
    )
    log_every_n_steps: int | None = key(
        None,
        "Training steps between two points of Lightning's own loggers; null for 50.",
        source="000 002 003 004",
        unit="steps",
        ge=0,
    )
    enable_checkpointing: bool | None = key(
        None, "False writes no checkpoints, but for the one that a stop asks for."
    )
    enable_progress_bar: bool | None = key(
        None, "Lightning's own progress bar; null: none, since progress is in the events."
    )
    enable_model_summary: bool | None = key(None, "Whether to print a summary of the model.")
    accumulate_grad_batches: int = key(
        1,
        "Batches whose gradients are added up before each optimiser step.",
        source="000 001 002 004",
        unit="batches",
        ge=1,
    )
    gradient_clip_val: float | None = key(
        None,
        "Clip gradients to this norm or value; null does not clip.",
        source="000 002 003",
        ge=0.0,
    )
    gradient_clip_algorithm: Literal["norm", "value"] | None = key(
        None, "Whether gradients are clipped by their norm (the default) or value by value."
    )
    deterministic: bool | Literal["warn"] | None = key(
        None, "Use deterministic algorithms only; `warn` where there is none.", source="002"
    )
    benchmark: bool | None = key(None, "Let cuDNN try out its algorithms first.")
    inference_mode: bool = key(True, "Validate under `torch.inference_mode`.")
    use_distributed_sampler: bool = key(
        True,
        "Split the data between processes; false gives all of it to each of them.",
    )
    profiler: Literal["simple", "advanced", "pytorch", "xla"] | None = key(
        None, "Lightning's profiler by name; `trainer.profile` is the shorter way."
    )
    detect_anomaly: bool = key(False, "Trace where a NaN came from in the backward pass; slow.")
    barebones: bool = key(
        False, "Lightning's mode for measuring its own overhead: no logging, no checkpoints."
    )
    sync_batchnorm: bool = key(False, "Share batch norm statistics between processes.")
    reload_dataloaders_every_n_epochs: int = key(
        0, "Make the data loaders anew every so many epochs; 0: never.", unit="epochs", ge=0
    )
    default_root_dir: str | None = key(
        None,
        "Where Lightning puts what has no other place; null: the run folder.",
        source="003",
        path=True,
    )
    enable_autolog_hparams: bool = key(True, "Let Lightning log hyperparameters by itself.")
    model_registry: str | None = key(None, "Name of the model in Lightning's own registry.")


class Trainer(LightningArgs):
    """How training runs: horizon, device, precision, clipping, validation, checkpoints."""

    amp: bool = key(
        False,
        "Mixed precision where the hardware has it, unless `precision` says otherwise.",
        source="000 001",
    )
    strict_deterministic: bool = key(
        False, "Deterministic algorithms with cuBLAS told so and benchmark mode off.", source="002"
    )
    early_stopping: bool | _Count | EarlyStopping | None = key(
        None,
        "Stop when a metric no longer improves: true, a patience (0 is none at all), or its settings.",
        source="003",
    )
    tune_batch_size: bool = key(
        False,
        "Find the largest batch that fits before training, on one device; at most "
        "`hardware.max_batch_size`.",
        source="003",
    )
    save_every_n_epochs: int | None = key(
        1,
        "Write the last checkpoint every so many epochs; null: by epochs not at all.",
        source="000 001 002",
        unit="epochs",
        ge=1,
    )
    save_every_n_steps: int | None = key(
        None,
        "Write the last checkpoint every so many optimiser steps.",
        source="004",
        unit="steps",
        ge=1,
    )
    save_top_k: int = key(
        1, "Best checkpoints to keep; -1 keeps all, 0 none.", source="002 004", ge=-1
    )
    checkpoint_cadence_epochs: int | None = key(
        None,
        "The same as `save_every_n_epochs`, and wins over it when set.",
        source="003",
        unit="epochs",
        ge=1,
    )
    monitor: str = key("val/loss", "Metric by which a checkpoint is the best.", source="003")
    monitor_mode: Literal["min", "max"] = key(
        "min", "Whether a lower or a higher `monitor` is better.", source="003"
    )
    ckpt_dir: str | None = key(
        None,
        "Where checkpoints lie, in a folder of each run's own that is named like the run's; "
        "null: `checkpoints/` in the run folder.",
        source="002",
        path=True,
    )
    validate_before_resume: bool = key(
        False, "Validate once before going on from a checkpoint.", source="003"
    )
    log_model_structure: bool = key(
        False, "Print the model's structure at the start.", source="002"
    )
    profile: bool = key(False, "Profile the training steps.", source="002")
    profiler_dir: str | None = key(
        None,
        "Where the profiler's output lies; null: `logs/profile` in the run folder.",
        source="002",
        path=True,
    )
    compile: bool | Compile = key(
        False,
        "Compile the model with `torch.compile`: true, or its keywords.",
        source="003",
    )
    benchmark_train_step: bool = key(
        False, "Measure each step as `perf/train_step_ms`; waits for the GPU.", source="003"
    )
    grad_clip_threshold: float | None = key(
        1.0,
        "Norm above which a step counts for `grad_clip_pct`; null takes `gradient_clip_val`.",
        source="003",
        gt=0.0,
    )
    resume_lr: float | None = key(
        None, "Learning rate to go on with after resuming.", source="003", ge=0.0
    )
    resume_weight_decay: float | None = key(
        None, "Weight decay to go on with after resuming.", source="003", ge=0.0
    )
    resume_context: ResumeContext | None = key(
        None,
        "Let the context of a model that can do so grow when resuming; done once.",
        source="003",
    )
    resume_token_corruption: bool | TokenCorruption | None = key(
        None,
        "Token corruption to go on with after resuming: true and null take the model's own, keys "
        "are laid over them, false goes on as before.",
        source="003",
    )


HANDLED_ELSEWHERE = {
    "logger": "Loggers have a section of their own: `logger.tensorboard.enabled`, `logger=csv`, …",
    "plugins": "Plugins are objects that no YAML can hold; use `strategy` and `precision`.",
    "max_time": "One wall clock governs a run: `limits.wall_clock`.",
}
"""Lightning's arguments that are no keys of `trainer`, with where they went."""
