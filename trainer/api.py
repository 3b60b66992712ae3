"""Training from Python: compose a preset, change it as an object, launch it, and wait for what it leaves.

```python
from trainer import ConfigTrainer

trainer = ConfigTrainer()
config = trainer.build_training_config("oracle-rauru-mac")
config.learning_rate = 3e-4
print(trainer.train_with_config(config))
```

The run is one like any other: a process of its own in a run folder, which `traindeck runs` lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from trainer.errors import EXIT_INTERRUPTED, EXIT_OK, ConfigError, Problem, RunError, nearest
from trainer.paths import at_home

__all__ = ["ConfigTrainer", "TrainingConfig"]

# Where each attribute stands in a config.
_KEYS = {
    "learning_rate": "optimizer.config.lr",
    "weight_decay": "optimizer.config.weight_decay",
    "num_epochs": "trainer.max_epochs",
    "max_steps": "trainer.max_steps",
    "batch_size": "dataloader.batch_size",
    "gradient_accumulation": "trainer.accumulate_grad_batches",
    "warmup_steps": "scheduler.warmup",
    "lr_scheduler": "scheduler.type",
    "logging_steps": "trainer.log_every_n_steps",
    "save_steps": "trainer.save_every_n_steps",
    "save_total_limit": "trainer.save_top_k",
    "eval_steps": "trainer.val_check_interval",
    "precision": "trainer.precision",
    "seed": "seed",
    "dataset": "data.root",
    "sequence_length": "data.sequence_length",
    "quality_threshold": "data.quality_threshold",
    "domains": "data.domains",
    "packing": "data.packing",
    "response_only": "data.response_only",
    "base_model": "model.base_model",
    "gradient_checkpointing": "model.gradient_checkpointing",
    "lora_rank": "lora.r",
    "lora_alpha": "lora.lora_alpha",
    "lora_dropout": "lora.lora_dropout",
    "target_modules": "lora.target_modules",
    "models_dir": "output.models_dir",
}
# Written in another spelling than it is kept in: `cosine` becomes a class with its keywords.
_WRITTEN = {"lr_scheduler": "lr_scheduler"}
# Given whole, as sections of the config.
_SECTIONS = ("expert", "hardware")


@dataclass(slots=True, kw_only=True)
class TrainingConfig:
    """What a preset trains, and how; change it and hand it to `ConfigTrainer.train_with_config`.

    None means that the config does not say. What is changed here goes over the preset as overrides
    on a command line would, and is checked as they are. All other keys of a config can be written
    into `overrides`: `config.overrides.append("trainer.gradient_clip_val=0.5")`.

    Attributes:
        preset: The preset.
        overrides: Further overrides, as on a command line.
        learning_rate: Of the optimiser, at its peak.
        weight_decay: Of the optimiser.
        num_epochs: Passes over the data.
        max_steps: Optimiser steps after which training ends; -1 or None sets no such end.
        batch_size: Samples in a batch, per device.
        gradient_accumulation: Batches in an optimiser step.
        warmup_steps: Steps over which the learning rate rises.
        lr_scheduler: `linear`, `cosine`, `constant`, or a class of `torch.optim.lr_scheduler`.
        logging_steps: Steps between two lines of the loggers.
        save_steps: Steps between two checkpoints.
        save_total_limit: Best checkpoints that are kept.
        eval_steps: Batches between two validations, or a share of an epoch.
        precision: Lightning's word for it, such as `bf16-mixed`.
        seed: Of every random generator.
        dataset: Folder of the data.
        sequence_length: Tokens after which a sample is cut.
        quality_threshold: Least quality score of a sample that is used.
        domains: Domains of the samples that are used.
        packing: Whether several samples share a row.
        response_only: Whether the loss counts answers alone.
        base_model: Local folder of the base model, or its name on the hub.
        gradient_checkpointing: Whether activations are computed twice to save memory.
        lora_rank: Rank of the adapter.
        lora_alpha: Scale of the adapter.
        lora_dropout: Dropout in front of the adapter.
        target_modules: Modules that get an adapter.
        models_dir: Folder that the finished model's own folder is made in.
        expert: What the config says of the expert.
        hardware: What it says of the hardware.
    """

    preset: str
    overrides: list[str] = field(default_factory=list)
    learning_rate: float | None = None
    weight_decay: float | None = None
    num_epochs: int | None = None
    max_steps: int | None = None
    batch_size: int | None = None
    gradient_accumulation: int | None = None
    warmup_steps: int | None = None
    lr_scheduler: str | None = None
    logging_steps: int | None = None
    save_steps: int | None = None
    save_total_limit: int | None = None
    eval_steps: int | float | None = None
    precision: str | None = None
    seed: int | None = None
    dataset: str | Path | None = None
    sequence_length: int | None = None
    quality_threshold: float | None = None
    domains: list[str] | None = None
    packing: bool | None = None
    response_only: bool | None = None
    base_model: str | Path | None = None
    gradient_checkpointing: bool | None = None
    lora_rank: int | None = None
    lora_alpha: float | None = None
    lora_dropout: float | None = None
    target_modules: list[str] | str | None = None
    models_dir: str | Path | None = None
    expert: dict[str, Any] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    _composed: dict[str, Any] = field(default_factory=dict, repr=False)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute.

        Raises:
            AttributeError: There is none of this name; names the nearest. Or it is a section, whose
                profile is chosen by an override.
        """
        names = [each.name for each in fields(TrainingConfig)]
        if name not in names:
            hint = nearest(name, names) or "Further keys go into `overrides`."
            raise AttributeError(f"a training config has no '{name}'. {hint}")
        if name in _SECTIONS and not isinstance(value, dict):
            raise AttributeError(
                f"'{name}' holds what the profile says. To choose another one, write "
                f"config.overrides.append({f'{name}={value}'!r})."
            )
        object.__setattr__(self, name, value)

    def changes(self) -> list[str]:
        """Give the further overrides, and what was changed since it was built, for a command line."""
        from trainer.config.values import override

        changed = []
        for name, key in _KEYS.items():
            value = getattr(self, name)
            if value != self._composed.get(name):
                value = str(value) if isinstance(value, Path) else value
                changed.append(override(_WRITTEN.get(name, key), value))
        for name in _SECTIONS:
            now, before = getattr(self, name), self._composed.get(name, {})
            changed += [
                override(f"{name}.{key}", value)
                for key, value in now.items()
                if key not in before or value != before[key]
            ]
            changed += [f"~{name}.{key}" for key in before if key not in now]
        return [*self.overrides, *changed]


class ConfigTrainer:
    """Trains presets of profiles and of `config/training.toml`, as `traindeck train` does.

    Args:
        config_path: A file of profiles besides those that are found anyway, such as a TOML file.
        profiles_dir: A folder of profiles instead of `./profiles`.
        runs_dir: Where run folders are made.
        clamp: Lower what is above the hardware profile's limits, instead of refusing.
        quiet: Print nothing while a run goes on.

    Raises:
        ConfigError: There is no such file.
    """

    def __init__(
        self,
        config_path: str | Path | None = None,
        *,
        profiles_dir: str | Path | None = None,
        runs_dir: str | Path = "runs",
        clamp: bool = False,
        quiet: bool = False,
    ) -> None:
        self.config_path = at_home(config_path) if config_path is not None else None
        if self.config_path is not None and not self.config_path.is_file():
            what = "is a folder." if self.config_path.is_dir() else "there is no such file."
            raise ConfigError(Problem(what, str(self.config_path), "Name a file of profiles."))
        self.profiles_dir = Path(profiles_dir) if profiles_dir is not None else None
        self.runs_dir = Path(runs_dir)
        self.clamp = clamp
        self.quiet = quiet

    def train(self, preset: str, *overrides: str) -> Path:
        """Train a preset and wait until it is done.

        Args:
            preset: Its name.
            overrides: What is changed, as on a command line.

        Returns:
            The folder of the finished model; of a recipe that leaves none, the run's folder.

        Raises:
            ConfigError: The config is wrong; holds every problem. Nothing was started.
            RunError: The run failed, was stopped or ended at a limit; the message names its folder.
            KeyboardInterrupt: Ctrl-C; the run has stopped after its step, and can be resumed.
        """
        return self._train([preset, *overrides])

    def build_training_config(self, preset: str, *overrides: str) -> TrainingConfig:
        """Compose a preset and give it as an object that can be changed.

        Args:
            preset: Its name.
            overrides: What is changed already, as on a command line.

        Raises:
            ConfigError: There is no such preset, or its parts do not make a config. What the
                hardware does not allow is refused when it is trained.
        """
        from trainer.config.values import override

        composed = self._composed([preset, *overrides], check=False)
        # What an attribute can mend is checked when it is trained.
        mendable = {"hardware", *_KEYS.values()}
        wrong = [p for p in composed.problems if p.key not in mendable]
        if wrong or not composed.whole:
            raise ConfigError(*composed.problems)
        config = composed.config
        # What is changed afterwards goes over what is shown, so over what was clamped.
        lowered = [override(each.key, each.new) for each in composed.clamped]
        made = TrainingConfig(preset=preset, overrides=[*overrides, *lowered])
        for name, key in _KEYS.items():
            value = _at(config, key)
            if name == "warmup_steps" and isinstance(value, Mapping):
                value = value.get("steps")
            made._composed[name] = value
            setattr(made, name, list(value) if isinstance(value, list) else value)
        for name in _SECTIONS:
            setattr(made, name, dict(config.get(name) or {}))
            made._composed[name] = dict(getattr(made, name))
        return made

    def train_with_config(self, config: TrainingConfig) -> Path:
        """Train what `build_training_config` gave, with what was changed in it; see `train`.

        Raises:
            TypeError: It is something else, such as a preset's name.
        """
        if not isinstance(config, TrainingConfig):
            raise TypeError(
                f"train_with_config takes what build_training_config gave, not {config!r}. "
                "ConfigTrainer.train takes the name of a preset."
            )
        return self._train([config.preset, *config.changes()])

    def _composed(self, words: list[str], *, check: bool = True) -> Any:
        from trainer.config.compose import compose

        return compose(
            words,
            config_file=self.config_path,
            profiles_dir=self.profiles_dir,
            clamp=self.clamp,
            check=check,
        )

    def _train(self, words: list[str]) -> Path:
        from trainer.runs.again import need_training_packages
        from trainer.runs.launch import create, start
        from trainer.runs.plan import default_name, train_command

        composed = self._composed(words)
        need_training_packages(composed.config, composed.provenance, network=True)
        run = create(
            composed,
            runs_dir=self.runs_dir,
            name=composed.config["run"]["name"] or default_name(composed),
            command=train_command(
                words, self.config_path, self.profiles_dir, runs_dir=self.runs_dir, clamp=self.clamp
            ),
        )
        start(run)
        self._wait(run)
        left = run.path / "outputs" / "model"
        return left.resolve() if left.exists() else run.path

    def _wait(self, run: Any) -> None:
        from trainer.runs.manage import request_stop, wait
        from trainer.runs.status import State

        code = EXIT_OK
        try:
            if not self.quiet:
                from trainer.commands.follow import follow_run, telling

                code = follow_run(run, telling(False, None), own=True)
            status = wait(run)
        except KeyboardInterrupt:
            request_stop(run, "step", reason="interrupted")
            wait(run)
            raise
        if code == EXIT_INTERRUPTED:
            # A script that goes on after a run that failed is to end all the same.
            raise KeyboardInterrupt
        if status.state is not State.COMPLETED:
            called = run.called()
            raise RunError(
                Problem(
                    f"the run ended as {status.state}: {status.reason or 'no reason is known'}",
                    str(run.path),
                    f"Its output: traindeck logs {called}. Go on with it: traindeck resume {called}",
                )
            )


def _at(config: Mapping[str, Any], key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, Mapping):
            return None
        node = node.get(part)
    return node
