"""What is trained and how it learns: data, model, losses, optimiser, scheduler, loaders."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from trainer.config.schema_base import OpenSection, Section, key


class Optimizer(Section):
    """The `optimizer` section."""

    type: str = key("AdamW", "Any class of `torch.optim` by name.", source="002")
    config: dict[str, Any] = key(
        {}, "Keywords of that class: `lr`, `betas`, `weight_decay`, …", source="002 003 004"
    )
    no_decay: bool = key(
        False, "Spare norms, biases and every 1-D parameter the weight decay.", source="003"
    )
    no_decay_verbose: bool = key(
        False, "Print which parameters are spared the weight decay.", source="003"
    )


class Warmup(Section):
    """Keys of `scheduler.warmup`."""

    steps: int = key(0, "Steps (or epochs) over which the learning rate rises.", source="003", ge=0)
    interval: Literal["step", "epoch"] | None = key(
        None, "What is counted; null: what the scheduler counts, otherwise steps.", source="003"
    )


class Scheduler(Section):
    """The `scheduler` section."""

    type: str | None = key(
        None,
        "A class of `torch.optim.lr_scheduler` by name, or `InverseLR`; null: none.",
        source="002 003 004",
    )
    enabled: bool = key(True, "Whether the scheduler is used.", source="002")
    config: dict[str, Any] = key({}, "Keywords of that class.", source="002 003 004")
    interval: Literal["epoch", "step"] | None = key(
        None,
        "What the scheduler counts; null: epochs, or what `warmup` counts, or steps for InverseLR, or "
        "for a length of `auto` what training counts.",
        source="003 004",
    )
    frequency: int = key(1, "Scheduler moves every so many intervals.", source="003 004", ge=1)
    monitor: str | None = key(
        None, "Metric for schedulers that watch one; null: `val/loss`.", source="003 004"
    )
    warmup: Annotated[int, Field(ge=0)] | Warmup | None = key(
        None,
        "Linear rise of the learning rate at the start: a count, or its settings.",
        source="003 004",
    )


class Dataloader(Section):
    """The `dataloader` section."""

    type: Literal["DataLoader", "MixupDataLoader", "TextDataLoader"] = key(
        "DataLoader",
        "Kind of loader: plain, with MixUp and mu-law tokens, or from text to tokens.",
        source="003",
    )
    batch_size: int = key(
        32, "Samples in a batch, per device.", source="000 001 002 003 004", unit="samples", ge=1
    )
    num_workers: int = key(
        0,
        "Processes that load data; 0 loads in the training process.",
        source="003",
        unit="processes",
        ge=0,
    )
    prefetch_factor: int | None = key(
        2, "Batches that each worker loads ahead.", source="003", unit="batches", ge=1
    )
    pin_memory: bool = key(
        False, "Load into pinned memory, which a GPU copies from faster.", source="003"
    )
    persistent_workers: bool = key(
        False, "Keep the workers alive between epochs; needs `num_workers` above 0.", source="003"
    )
    drop_last: bool = key(False, "Leave out an incomplete last batch.", source="003")
    mixup_alpha: float = key(
        0.0,
        "MixUp: parameter of the Beta distribution that the weight of a batch is drawn from; "
        "0 mixes nothing.",
        source="003",
        ge=0.0,
    )
    mixup_prob: float = key(
        1.0, "MixUp: probability that a batch is mixed.", source="003", ge=0.0, le=1.0
    )
    num_classes: int | None = key(
        None,
        "MixUp: classes of integer targets, which become one-hot; needed for those.",
        source="003",
        ge=1,
    )
    quantize: bool = key(
        False,
        "MixUp: turn inputs into mu-law tokens, after mixing and whether mixed or not.",
        source="003",
    )
    mu: int = key(255, "MixUp: parameter of the mu-law; tokens are 0…mu.", source="003", ge=1)
    max_val: float = key(
        10.0, "MixUp: value that the mu-law takes for full scale.", source="003", gt=0.0
    )
    tokenizer_path: str | None = key(
        None,
        "Text: folder that holds `tokenizer/` with a `tokenizer.json`; needed.",
        source="003",
        path=True,
    )
    max_length: int | None = key(
        None,
        "Text: tokens after which a sample is cut; null: none.",
        source="003",
        unit="tokens",
        ge=1,
    )
    use_separator: bool = key(
        True,
        "Text: put `[BOS]` between groups of channels; otherwise a blank.",
        source="003",
    )


class Data(OpenSection):
    """The `data` section: a class by `_target_` with its keywords."""

    name: str | None = key(None, "Name of the data set.", source="004", absent=True)
    max_items: int | None = key(
        None,
        "Use only this many items in the recipe's own unit (files, planets, recordings).",
        source="000 001",
        unit="items",
        ge=1,
        absent=True,
    )
    root: str | None = key(
        None, "Folder that holds the data.", source="004", absent=True, path=True
    )
    sequence_length: int | None = key(
        None, "Longest sequence of a sample.", source="004", unit="tokens", ge=1, absent=True
    )
    description: str | None = key(
        None, "What the data are, in a sentence.", source="004", absent=True
    )
    train_split: str | None = key(
        None,
        "Instructions: file of the training samples below `root`, one JSON object a line.",
        source="004",
        absent=True,
    )
    val_split: str | None = key(
        None,
        "Instructions: file of the samples that validation takes; null: none.",
        source="004",
        absent=True,
    )
    test_split: str | None = key(
        None,
        "Instructions: file of the samples that the finished model is evaluated on; null: none.",
        source="004",
        absent=True,
    )
    quality_threshold: float | None = key(
        None,
        "Instructions: least `quality_score` of a sample that is used, one without a score counting "
        "as good; null uses all.",
        source="004",
        ge=0.0,
        le=1.0,
        absent=True,
    )
    domains: list[str] | None = key(
        None,
        "Instructions: only samples whose `domain` is one of these, and those that name none; "
        "null or an empty list uses all.",
        source="004",
        absent=True,
    )
    response_only: bool | None = key(
        None,
        "Instructions: count the loss over the response alone, not over the prompt before it.",
        absent=True,
    )
    packing: bool | None = key(
        None,
        "Instructions: put several samples into one sequence, none of which sees another.",
        absent=True,
    )
    splitter: dict[str, Any] | None = key(
        None,
        "How recordings are split into training and validation.",
        source="003",
        absent=True,
        acted_on=False,
    )


class Model(OpenSection):
    """The `model` section: a class by `_target_` with its keywords."""

    name: str | None = key(None, "Name of the model.", source="003", absent=True)
    base_model: str | None = key(
        None,
        "Language model to begin with: a local folder, or a name on the hub; null: the expert's.",
        source="004",
        absent=True,
    )
    revision: str | None = key(None, "Version of the base model on the hub.", absent=True)
    gradient_checkpointing: bool | None = key(
        None,
        "Compute activations again in the backward pass, to save memory; null: "
        "where the hardware profile supports it, and not on a CPU.",
        source="004",
        absent=True,
    )
    dtype: Literal["float32", "bfloat16", "float16"] | None = key(
        None,
        "What the frozen weights of a language model are kept in; null: what `trainer.precision` "
        "computes in.",
        absent=True,
    )
    attention: Literal["sdpa", "eager", "flash_attention_2"] | None = key(
        None,
        "How the base model computes attention; null: as transformers chooses.",
        absent=True,
    )
    trust_remote_code: bool | None = key(
        None,
        "Run the code that comes with the base model; only for models whose authors you trust.",
        absent=True,
    )


class Loss(OpenSection):
    """The `loss` section: a class by `_target_` with its keywords, or composed terms."""

    name: str | None = key(None, "Name of the loss.", source="003", absent=True)
    composite: dict[str, Any] | None = key(
        None,
        "Terms by name that are summed, each with `enabled`, `weight` and, as `overrides` or "
        "`config`, its keywords.",
        source="001",
        absent=True,
    )
    groups: dict[str, Any] | None = key(
        None,
        "Groups of terms by name, each with `config`, and the group's `weights` by name.",
        source="002",
        absent=True,
    )
    max_component_penalty: float | None = key(
        None,
        "Cap of each term before its weight: a greater value, and its gradient, is scaled down.",
        source="001",
        gt=0.0,
        absent=True,
    )


class EvalLoss(OpenSection):
    """The `eval_loss` section: measures by name, each with its keywords and perhaps `enabled`."""


class Callbacks(OpenSection):
    """The `callbacks` section: callbacks by name, each a class by `_target_` with its keywords."""


class Rule(OpenSection):
    """One rule of `symbolic.rules`."""

    name: str = key("", "Name of the rule.", source="001")
    enabled: bool = key(True, "Whether the rule counts.", source="001")
    weight: float = key(1.0, "Weight of its violations in the loss.", source="001", ge=0.0)


class Symbolic(Section):
    """The `symbolic` section."""

    enabled: bool = key(False, "Whether the rules count at all.", source="001")
    rules: list[Rule] = key([], "Rules by name, each switched and weighted.", source="001")
