"""The rows of the form: what people change most, then every other key of the composed config."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tui.screens.launch.composer import Outcome
from tui.widgets.field import Row

if TYPE_CHECKING:
    from trainer.config.compose import Composed
    from trainer.config.provenance import Origin

#: What a newcomer changes first; the schema says what each takes.
MOST_CHANGED = (
    "optimizer.config.lr",
    "dataloader.batch_size",
    "trainer.max_epochs",
    "trainer.max_steps",
    "trainer.precision",
    "seed",
    "optimizer.config.weight_decay",
    "trainer.accumulate_grad_batches",
    "limits.wall_clock",
)


def form_rows(outcome: Outcome) -> list[Row]:
    """Give a row for each key that may be set; for a thread."""
    if outcome.composed is None:
        return []
    rows = {row.key: row for row in _rows(outcome)}
    first = [rows.pop(key) for key in MOST_CHANGED if key in rows]
    result = [Row("changed most", heading=True), *first]
    sections = dict.fromkeys([key.partition(".")[0] for key in rows])
    for section in sections:
        result.append(Row(section, heading=True))
        result += [row for key, row in rows.items() if key.partition(".")[0] == section]
    return result


def _rows(outcome: Outcome) -> Iterator[Row]:
    from trainer.config.provenance import leaves
    from trainer.config.values import about

    composed = outcome.composed
    assert composed is not None
    there = dict(leaves(composed.config))
    for key, value in there.items():
        origin = composed.provenance.get(key)
        yield Row(
            key,
            value,
            about(key, composed.config),
            note=_note(origin),
            given=_given(composed, key) if origin is not None and origin.kind == "override" else "",
            problem=outcome.problem_of_key(key),
        )
    # Keys that nobody set, such as keywords of a class, can be set as well.
    sections = {key[:at] for key in there for at, sign in enumerate(key) if sign == "."}
    for known in outcome.keys:
        above = known.key.rpartition(".")[0]
        if known.key not in there and known.key not in sections and _is_open(above, there):
            yield Row(known.key, None, known, note="not set")


def _note(origin: Origin | None) -> str:
    if origin is None or origin.kind == "schema":
        return ""
    return "override" if origin.kind == "override" else str(origin)


def _given(composed: Composed, key: str) -> str:
    """Say what the profiles give an overridden key."""
    from trainer.config.values import shown

    below = [
        (origin, value) for origin, value in composed.history(key) if origin.kind != "override"
    ]
    if not below or below[-1][0].kind == "schema":
        return "The profiles give none."
    origin, value = below[-1]
    return f"The profiles give {shown(value)} ({origin})."


def _is_open(above: str, there: dict[str, object]) -> bool:
    """Say whether a section has keys of its own: what lies below a plain value is that value's."""
    while above:
        if above in there and there[above] not in (None, {}, []):
            return False
        above = above.rpartition(".")[0]
    return True
