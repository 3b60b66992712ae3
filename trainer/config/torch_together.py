"""Settings of optimiser, scheduler and trainer that contradict each other, found without torch.

Torch and Lightning would refuse them as well, but only after the launch or in the middle of a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainer.config.torch_args import OPTIMIZERS, SCHEDULERS
from trainer.config.torch_rules import is_number, origin, text_of
from trainer.errors import Problem


def contradictions(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what does not go together.

    Args:
        config: A canonical, resolved config.
        where: For each dotted key what set it.
    """
    optimizer, scheduler, trainer = (
        value if isinstance(value := config.get(name), Mapping) else {}
        for name in ("optimizer", "scheduler", "trainer")
    )
    kind = optimizer.get("type", "AdamW")
    if not isinstance(kind, str) or kind not in OPTIMIZERS:
        return
    yield from _of_optimizer(kind, _section(optimizer, "config"), where)
    if trainer.get("resume_weight_decay") is not None and not _takes(kind, "weight_decay"):
        yield Problem(
            f"{kind} has no weight decay that could be changed on resuming.",
            origin("trainer.resume_weight_decay", where),
            "Set trainer.resume_weight_decay=null or choose another optimiser.",
            "trainer.resume_weight_decay",
        )
    name = scheduler.get("type")
    if not isinstance(name, str) or name not in SCHEDULERS or scheduler.get("enabled") is False:
        return
    keywords = _section(scheduler, "config")
    if name in ("OneCycleLR", "CyclicLR"):
        yield from _momentum(kind, name, keywords, where)
    if name == "OneCycleLR":
        yield from _one_cycle(keywords, scheduler, trainer, where)
    if name == "ReduceLROnPlateau":
        yield from _plateau(scheduler, trainer, where)


def plateau_notes(config: Mapping[str, Any]) -> Iterator[str]:
    """Say so where a scheduler would look at the same value of its metric again and again."""
    scheduler, trainer = (
        value if isinstance(value := config.get(name), Mapping) else {}
        for name in ("scheduler", "trainer")
    )
    on = scheduler.get("type") == "ReduceLROnPlateau" and scheduler.get("enabled") is not False
    monitor = str(scheduler.get("monitor") or "val/loss")
    every, validated = scheduler.get("frequency", 1), trainer.get("check_val_every_n_epoch")
    if not on or scheduler.get("interval") == "step" or not monitor.startswith("val"):
        return
    if _is_count(every) and _is_count(validated) and every < validated:
        yield (
            f"ReduceLROnPlateau looks every {'epoch' if every == 1 else f'{every} epochs'}, but "
            f"{text_of(monitor)} is new only every {validated}: what is not new counts as no "
            f"improvement; scheduler.frequency={validated} looks only then"
        )


def _section(section: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = section.get(name)
    return value if isinstance(value, Mapping) else {}


def _takes(kind: str, keyword: str) -> bool:
    return any(word.name == keyword for word in OPTIMIZERS[kind])


def _of_optimizer(
    kind: str, keywords: Mapping[str, Any], where: Mapping[str, Any]
) -> Iterator[Problem]:
    key = "optimizer.config"
    if kind == "SGD" and keywords.get("nesterov") is True:
        momentum, dampening = keywords.get("momentum", 0), keywords.get("dampening", 0)
        if momentum == 0 or dampening != 0:
            yield Problem(
                "SGD takes 'nesterov' only with a momentum above 0 and no dampening.",
                origin(f"{key}.nesterov", where),
                f"Set {key}.momentum=0.9." if momentum == 0 else f"Set {key}.dampening=0.",
                f"{key}.nesterov",
            )
    if keywords.get("fused") is True:
        for other in ("foreach", "differentiable"):
            if keywords.get(other) is True:
                yield Problem(
                    f"{kind} cannot be both 'fused' and '{other}'.",
                    origin(f"{key}.{other}", where),
                    "Leave one of them out.",
                    f"{key}.{other}",
                )


def _momentum(
    kind: str, name: str, keywords: Mapping[str, Any], where: Mapping[str, Any]
) -> Iterator[Problem]:
    if keywords.get("cycle_momentum", True) is not True:
        return
    if kind != "Muon" and (_takes(kind, "betas") or _takes(kind, "momentum")):
        return
    why = "is paired with AdamW, which has another kind of it" if kind == "Muon" else "has none"
    yield Problem(
        f"{name} moves the momentum too, and {kind} {why}.",
        origin("scheduler.type", where),
        "Set scheduler.config.cycle_momentum=false.",
        "scheduler.config.cycle_momentum",
    )


def _one_cycle(
    keywords: Mapping[str, Any],
    scheduler: Mapping[str, Any],
    trainer: Mapping[str, Any],
    where: Mapping[str, Any],
) -> Iterator[Problem]:
    total = keywords.get("total_steps")
    if total is None:
        epochs, each = keywords.get("epochs"), keywords.get("steps_per_epoch")
        total = epochs * each if isinstance(epochs, int) and isinstance(each, int) else None
    share = keywords.get("pct_start", 0.3)
    if not isinstance(total, int) or isinstance(total, bool) or not is_number(share):
        return
    if share * total == 1:
        yield Problem(
            f"OneCycleLR cannot rise within no step: pct_start × total_steps is {share:g} × {total}.",
            origin("scheduler.config.pct_start", where),
            "Make either of them greater.",
            "scheduler.config.pct_start",
        )
    by_step = scheduler.get("interval") == "step"
    names = ("max_steps", "max_epochs") if by_step else ("max_epochs", "max_steps")
    end, other = (trainer.get(name) for name in names)
    every = scheduler.get("frequency", 1)
    if not (_is_count(end) and _is_count(every)) or _is_count(other):
        return  # whichever end comes first is known only with the data
    # A frequency counts batches, of which a step may take several: only epochs can be divided.
    if by_step and every != 1:
        return
    if end // every > total:
        yield Problem(
            f"OneCycleLR ends after {total} {'steps' if by_step else 'epochs'} and refuses to go "
            f"on, but training has {end}.",
            origin("scheduler.config.total_steps", where),
            f"Set scheduler.config.total_steps=${{trainer.{names[0]}}}."
            + ("" if by_step else " Or count steps: scheduler.interval=step."),
            "scheduler.config.total_steps",
        )


def _plateau(
    scheduler: Mapping[str, Any], trainer: Mapping[str, Any], where: Mapping[str, Any]
) -> Iterator[Problem]:
    monitor = scheduler.get("monitor") or "val/loss"
    if scheduler.get("interval") != "step" or not str(monitor).startswith("val"):
        return
    every, validated = scheduler.get("frequency", 1), trainer.get("val_check_interval")
    # Unset or a share of an epoch: later than the first step, in any case.
    enough = validated if _is_count(validated) else 2
    if _is_count(every) and every < enough:
        yield Problem(
            f"ReduceLROnPlateau would ask for {text_of(monitor)} after {every} steps, before the "
            "first validation.",
            origin("scheduler.interval", where),
            "Count epochs (scheduler.interval=epoch), or set scheduler.frequency to the steps "
            "between two validations.",
            "scheduler.interval",
        )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
