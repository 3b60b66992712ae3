"""What training's health is judged by, and what an alert does: the `health` section."""

from __future__ import annotations

from typing import Any, Literal

from trainer.config.schema_base import Section, key

#: What may be wrong with a training, in the order of docs/health.md.
KINDS = (
    "non_finite_loss",
    "non_finite_gradients",
    "divergence",
    "exploding_gradients",
    "vanishing_gradients",
    "plateau",
    "heavy_clipping",
    "validation_gap",
    "overfitting",
    "loader_bound",
    "stall",
    "out_of_memory",
)
Action = Literal["warn", "stop", "command", "off"]
Level = Literal["info", "warning", "error"]


class Health(Section):
    """The `health` section: which signs of illness raise an alert, and what an alert does."""

    enabled: bool = key(True, "Whether training is watched for signs of illness.", source="002 004")
    on_alert: Literal["warn", "stop", "command"] = key(
        "warn",
        "What an alert does besides being written down: nothing, end training after the step as "
        "`failed`, or run `health.command`.",
    )
    per_kind: dict[str, Action] = key(
        {},
        "What alerts of a kind do instead, whatever their level; `off` does not look for them: "
        "`{plateau: off, stall: stop}`.",
    )
    stop_from: Level = key("error", "The least level of alert that `on_alert: stop` stops at.")
    command_from: Level = key("warning", "The least level of alert that `health.command` runs for.")
    command: list[str] | None = key(
        None,
        "Program and arguments to run beside training, without a shell; it gets the alert as JSON "
        "on standard input.",
    )
    command_timeout: float = key(
        60.0, "Time after which the command is killed.", unit="s", gt=0.0, le=3600.0
    )
    repeat_after: float = key(
        1800.0,
        "Time after which an alert that still holds is raised again; then after twice that.",
        unit="s",
        gt=0.0,
    )

    non_finite_steps: int = key(
        1, "Steps in succession with a loss that is NaN or infinite.", unit="steps", ge=1
    )
    non_finite_gradient_steps: int = key(
        20,
        "Steps in succession with a gradient norm that is NaN or infinite; loss scaling of 16-bit "
        "training makes some by design.",
        unit="steps",
        ge=1,
    )
    divergence_rise: float = key(
        0.3,
        "Rise of the loss above its best, or for 100 steps above its first value, that is one too "
        "far, as a share of the first loss.",
        gt=0.0,
    )
    divergence_spread: float = key(
        6.0, "And how many times the usual spread of the loss from step to step.", ge=0.0
    )
    divergence_jump: float = key(
        3.0,
        "A loss that is this many times the first one in most of 20 steps diverges as well.",
        gt=1.0,
    )
    gradient_jump: float = key(
        10.0, "How many times the usual gradient norm is exploding, if it lasts 10 steps.", gt=1.0
    )
    gradient_spread: float = key(
        8.0, "And how many times the usual spread of the norm's logarithm.", ge=0.0
    )
    gradient_limit: float = key(
        1e6, "A gradient norm that is exploding whatever is usual, if it lasts 10 steps.", gt=0.0
    )
    vanishing_share: float = key(
        1e-6,
        "A gradient vanishes below this share: of the norm at the start, or, for the weakest "
        "layer, of the strongest layer's.",
        gt=0.0,
        lt=1.0,
    )
    vanishing_steps: int = key(
        200, "How long it does before it counts, while the loss hardly moves.", unit="steps", ge=20
    )
    plateau_steps: int = key(
        1000, "The least number of steps after which a loss may stand still.", unit="steps", ge=100
    )
    plateau_share: float = key(
        0.67,
        "The share of all steps so far, the last ones, that must have brought no gain.",
        gt=0.0,
        lt=1.0,
    )
    plateau_gain: float = key(
        0.01, "What counts as a gain, as a share of the first loss.", gt=0.0, lt=1.0
    )
    clipping_times: float = key(
        10.0, "How many times `trainer.gradient_clip_val` most norms are.", ge=1.0
    )
    clipping_steps: int = key(500, "For how many steps they are.", unit="steps", ge=20)
    validation_gap: float = key(
        0.5,
        "How far `val/loss` may lie above `train/loss`, as a share of the first loss.",
        gt=0.0,
    )
    overfitting_rise: float = key(
        0.25, "How far `val/loss` may rise above its best, as a share of the same.", gt=0.0
    )
    validations: int = key(
        3, "Validations in succession that must show it.", unit="validations", ge=1
    )
    loader_share: float = key(
        0.5, "The share of the time that goes into waiting for batches.", gt=0.0, lt=1.0
    )
    loader_seconds: float = key(
        10.0, "The time over which it is measured; at least 50 steps as well.", unit="s", gt=0.0
    )
    stall_seconds: float = key(
        120.0, "The least time without a sign of life that is a stall.", unit="s", gt=0.0
    )
    stall_times: float = key(
        20.0, "And how many times as long as a step usually takes, pauses included.", ge=1.0
    )
    stall_first_seconds: float = key(
        900.0,
        "The same for the first steps, which load data and compile.",
        unit="s",
        gt=0.0,
    )


def settings_of(section: Any) -> Health:
    """Give the settings of a `health` section as plain data; nothing means the defaults.

    Raises:
        ConfigError: It does not fit the schema; holds every problem.
    """
    from pydantic import ValidationError

    try:
        return Health.model_validate(section or {})
    except ValidationError:
        from trainer.config.validate import validate
        from trainer.errors import ConfigError

        found = validate({"health": section})
        raise ConfigError(*(p for p in found if p.key.startswith("health"))) from None
