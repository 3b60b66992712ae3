"""Values written on one line of YAML so that they read back as the same values."""

from __future__ import annotations

from typing import Any

import yaml

from trainer.config.dump import _Dumper

_WIDE = 2**30
_BREAKS = frozenset("\n\r\x85\u2028\u2029")


class _Inline(_Dumper):
    """Writes lists and mappings in brackets."""


def _mapping(dumper: Any, data: dict[Any, Any]) -> Any:
    node = dumper.represent_mapping("tag:yaml.org,2002:map", data)
    node.flow_style = True
    return node


def _text(dumper: Any, data: str) -> Any:
    # Other styles would write a text of several lines on several lines.
    style = '"' if _BREAKS.intersection(data) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Inline.add_representer(dict, _mapping)
_Inline.add_representer(str, _text)


def inline(value: Any, *, flow: bool = False, style: str | None = None) -> str:
    """Write a value on one line.

    Args:
        value: A plain value.
        flow: Whether it will stand inside brackets, where more texts need quotes.
        style: Quotes to keep for a text, `"` or `'`.
    """
    if isinstance(value, str) and style in ("'", '"') and not _BREAKS.intersection(value):
        return _dump(value, style)
    if flow:
        return _dump([value], None)[1:-1]
    return _dump(value, None)


def _dump(value: Any, style: str | None) -> str:
    text = yaml.dump(
        value,
        Dumper=_Inline,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=True,
        default_style=style,
        width=_WIDE,
    )
    return str(text).removesuffix("\n").removesuffix("\n...")
