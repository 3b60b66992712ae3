"""Turning events into lines; nothing that a training loop passes makes it fail."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, isnan
from typing import Any

import msgspec

from trainer.events.schema import MAX_WRITTEN_BYTES, METRICS, SCHEMA_VERSION

_encode = msgspec.json.Encoder().encode

_MAX_DEPTH = 8
_MAX_TEXT = 16_384
_SHORT_TEXT = 256
_MAX_ITEMS = 10_000


def plain_metrics(values: Mapping[str, Any]) -> dict[str, Any]:
    """Copy metrics so that the caller may go on changing them; read tensors while they hold."""
    copy = dict(values)
    for value in copy.values():
        kind = type(value)
        if kind is not float and kind is not int:
            return {str(name): _number(value) for name, value in copy.items()}
    return copy


def encode_metrics(ts: float, step: int, epoch: float | None, values: dict[str, Any]) -> bytes:
    """Give the line of a metrics event."""
    event: dict[str, Any] = {"v": SCHEMA_VERSION, "ts": ts, "event": METRICS, "step": step}
    if epoch is not None:
        event["epoch"] = epoch
    event["metrics"] = values
    try:
        # A sum is finite only if each summand is: one C call instead of a test per value.
        if isfinite(sum(values.values())) and type(step) is int and type(ts) is float:
            line = _encode(event) + b"\n"
            if len(line) <= MAX_WRITTEN_BYTES:
                return line
    except Exception:  # the careful way below takes whatever this was
        pass
    event["ts"] = _number(ts)
    event["step"] = _whole(step)
    if epoch is not None:
        event["epoch"] = _number(epoch)
    event["metrics"] = {_text(name, _SHORT_TEXT): _number(v) for name, v in values.items()}
    return encode_event(METRICS, event)


def encode_event(event: str, fields: Mapping[str, Any]) -> bytes:
    """Give the line of any event; `v` and `event` cannot be overridden by a field."""
    head: dict[str, Any] = {"v": SCHEMA_VERSION, "ts": _number(fields.get("ts")), "event": event}
    rest = {name: value for name, value in fields.items() if name not in head}
    for limit in (_MAX_TEXT, _SHORT_TEXT):
        body = _plain(rest, limit, 0)
        line: bytes = _encode({**head, "event": _text(event, _SHORT_TEXT), **body}) + b"\n"
        if len(line) <= MAX_WRITTEN_BYTES:
            return line
    few = {name: value for name, value in body.items() if not isinstance(value, (dict, list))}
    few = dict(list(few.items())[:64])
    return _encode({**head, "event": _text(event, _SHORT_TEXT), **few, "shortened": True}) + b"\n"


def _number(value: Any) -> Any:
    """Give a JSON number, or the text of one that JSON lacks; what is no number is a NaN."""
    if type(value) is int and -(1 << 63) <= value < (1 << 63):
        return value
    try:
        number = float(value)
    except OverflowError:
        number = float("inf") if value > 0 else float("-inf")
    except Exception:  # float() of a foreign object may raise anything
        return "NaN"
    if isfinite(number):
        return number
    return "NaN" if isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _whole(value: Any) -> int:
    try:
        return max(-(1 << 53), min(1 << 53, int(value)))
    except Exception:  # int() of a foreign object may raise anything
        return 0


def _text(value: Any, limit: int) -> str:
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception:  # a foreign __str__ may raise anything
        text = f"<{type(value).__name__}>"
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    # UTF-8 has no half surrogates; `surrogateescape` file names bring them in.
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(value: Any, limit: int, depth: int) -> Any:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _text(value, limit)
    if isinstance(value, (int, float)):
        return _number(value)
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            items = list(value.items())[:_MAX_ITEMS]
            return {
                _text(name, _SHORT_TEXT): _plain(item, limit, depth + 1) for name, item in items
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [_plain(item, limit, depth + 1) for item in list(value)[:_MAX_ITEMS]]
    if hasattr(value, "__float__") and not isinstance(value, (bytes, bytearray)):
        number = _number(value)
        if number != "NaN":
            return number
    return _text(value, limit)
