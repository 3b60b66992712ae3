"""Fine-tuning of language models: the adapter, whom the model is to be, what is left at the end."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from trainer.config.schema_base import OpenSection, Section, key, section


class Lora(OpenSection):
    """The `lora` section: keywords of PEFT's `LoraConfig`; what is left out is as PEFT has it."""

    r: int | None = key(
        None,
        "Rank of the adapter's matrices; at most `hardware.max_lora_rank`.",
        source="004",
        ge=1,
        absent=True,
    )
    lora_alpha: Annotated[float, Field(gt=0.0)] | None = key(
        None,
        "Scale of the adapter: its output is multiplied by alpha/r.",
        source="004",
        absent=True,
    )
    lora_dropout: float | None = key(
        None, "Dropout before the adapter.", source="004", ge=0.0, lt=1.0, absent=True
    )
    bias: Literal["none", "all", "lora_only"] | None = key(
        None, "Which biases are trained with it.", source="004", absent=True
    )
    target_modules: list[str] | str | None = key(
        None,
        "Names of the modules that get an adapter; a text is a regular expression over whole names, "
        "or `all-linear`.",
        source="004",
        absent=True,
    )
    modules_to_save: list[str] | None = key(
        None, "Modules that are trained and saved whole beside the adapter.", absent=True
    )
    use_rslora: bool | None = key(
        None, "Scale by alpha/√r instead, which keeps great ranks stable.", absent=True
    )
    use_dora: bool | None = key(
        None, "Learn magnitude and direction of the weights apart (DoRA).", absent=True
    )
    init_lora_weights: bool | str | None = key(
        None, "How the adapter begins; true: as a zero change.", absent=True
    )
    rank_pattern: dict[str, Any] | None = key(
        None, "Ranks of single modules, by name or regular expression.", absent=True
    )
    alpha_pattern: dict[str, Any] | None = key(
        None, "Alphas of single modules, by name or regular expression.", absent=True
    )


class Expert(Section):
    """The `expert` section: whom a language model is trained to be."""

    name: str | None = key(
        None, "Its name, as in `oracle-rauru-assembler`; the table's or file's.", absent=True
    )
    display_name: str | None = key(None, "Name as shown.", source="004", absent=True)
    role: str | None = key(None, "Short word for what it does.", source="004", absent=True)
    group: str | None = key(None, "Which experts it belongs to.", source="004", absent=True)
    base_model: str | None = key(
        None,
        "Language model that it is trained from: a local folder, or a name on the hub.",
        source="004",
        absent=True,
    )
    context_window: int | None = key(
        None,
        "Longest context that it should answer in; a longer `data.sequence_length` is refused.",
        source="004",
        unit="tokens",
        ge=1,
        absent=True,
    )
    specialization: str | None = key(None, "What it knows.", source="004", absent=True)
    description: str | None = key(None, "What it is for, in lists.", absent=True)
    notes: str | None = key(None, "What else there is to know about it.", absent=True)
    prompt_template: str | None = key(
        None,
        "Text that a sample is put into: takes `{instruction}`, `{output}`, and `{context}` and "
        "`{input_section}`, empty without input.",
        source="004",
        absent=True,
    )


class OutputMetadata(Section):
    """Keys of `output.metadata`."""

    include_dataset_stats: bool = key(
        True, "Write how many samples of which domains were used.", source="004"
    )
    include_training_duration: bool = key(True, "Write how long training took.", source="004")
    include_hardware_info: bool = key(True, "Write what it was trained on.", source="004")
    include_hyperparameters: bool = key(True, "Write what it was trained with.", source="004")
    include_git_commit: bool = key(
        True, "Write the commit of the folder that it was trained in.", source="004"
    )


class Output(Section):
    """The `output` section: where a fine-tuned model is left, and what it is called."""

    models_dir: str = key(
        "models",
        "Folder that a finished model's own folder is made in.",
        source="004",
        path=True,
    )
    logs_dir: str | None = key(
        None,
        "Without effect: what a run writes lies in its own folder, below `--runs-dir`.",
        source="004",
        path=True,
        absent=True,
        acted_on=False,
    )
    checkpoints_dir: str | None = key(
        None,
        "Without effect: checkpoints lie in the run's folder, or in `trainer.ckpt_dir`.",
        source="004",
        path=True,
        absent=True,
        acted_on=False,
    )
    name_template: str = key(
        "oracle-{name}-{role}-{base_short}-{date}",
        "Name of the model's folder; takes `{name}`, `{expert}`, `{role}`, `{group}`, `{base_short}`, "
        "`{rank}`, `{preset}`, `{run}` and `{date}`.",
        source="004",
    )
    date_format: str = key(
        "%Y%m%d", "How `{date}` is written, in the signs of `strftime`.", source="004"
    )
    metadata: OutputMetadata = section(
        OutputMetadata, "What `metadata.json` in the model's folder tells.", source="004"
    )


class Evaluation(Section):
    """The `evaluation` section: how a finished model is judged."""

    after_training: bool = key(True, "Evaluate when training is complete.", source="004")
    split: Literal["test", "val"] = key(
        "test", "Samples that perplexity is measured on; `val` where there is no test split."
    )
    max_samples: int | None = key(
        None, "Measure on at most this many of them; null: all.", unit="samples", ge=1
    )
    answers: int = key(
        3, "Samples whose instruction is answered, for people to read.", unit="samples", ge=0
    )
    max_new_tokens: int = key(128, "Tokens after which an answer is cut.", unit="tokens", ge=1)
