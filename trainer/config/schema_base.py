"""What the sections of the schema are made of, and the flat view of them.

Each key carries its type, bounds, unit, default, one sentence of help and the document that asks for
it. Validation, `config where`, the documentation's tables and every form read them from here.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_NAMES = {bool: "bool", int: "int", float: "float", str: "str", type(None): "null", Any: "any"}


class Section(BaseModel):
    """A section of the config whose keys are all known. Types are strict; `1` will do for `1.0`."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    @model_serializer(mode="wrap")
    def _without_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out keys that nobody set and that would become keywords of a class."""
        dumped: dict[str, Any] = serialize(self)
        for name, info in type(self).model_fields.items():
            extra = info.json_schema_extra
            if (
                isinstance(extra, dict)
                and extra.get("absent")
                and name not in self.model_fields_set
            ):
                dumped.pop(name, None)
        return dumped


class OpenSection(Section):
    """A section that takes any key besides those it knows, such as a class's own keywords."""

    model_config = ConfigDict(extra="allow")


def key(
    default: Any,
    doc: str,
    *,
    source: str = "",
    unit: str | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    acted_on: bool = True,
    path: bool = False,
    absent: bool = False,
    choices: tuple[Any, ...] = (),
) -> Any:
    """Declare a key of a section.

    Args:
        default: What it is when nobody sets it.
        doc: One sentence of help.
        source: The documents that ask for it by the first digits of their names; empty: our own.
        unit: Of its value.
        ge: Lower bound, itself allowed.
        gt: Lower bound, itself not allowed.
        le: Upper bound, itself allowed.
        lt: Upper bound, itself not allowed.
        acted_on: Whether this version does what the key asks for.
        path: It says where something lies on this machine: no part of the config's hash.
        absent: It is left out of the defaults, because it becomes a class's keyword when present.
        choices: Values to offer where the type does not list them.
    """
    extra: dict[str, Any] = {"source": source, "acted_on": acted_on}
    if unit:
        extra["unit"] = unit
    if path:
        extra["path"] = True
    if absent:
        extra["absent"] = True
    if choices:
        extra["choices"] = list(choices)
    return Field(
        default=default, description=doc, json_schema_extra=extra, ge=ge, gt=gt, le=le, lt=lt
    )


def section(kind: type[BaseModel], doc: str, *, source: str = "", acted_on: bool = True) -> Any:
    """Declare a section within a section; its keys' own defaults are its default."""
    return Field(
        default_factory=kind,
        description=doc,
        json_schema_extra={"source": source, "acted_on": acted_on},
    )


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the schema, as help, forms and tables show it.

    Attributes:
        key: Its dotted name.
        type: Its type in words, such as `int | null`.
        default: Its default; for a section, `None`.
        doc: One sentence of help.
        unit: Of its value; empty if none.
        bounds: Such as `≥ 1`; empty if none.
        source: The documents that ask for it; empty for our own.
        acted_on: Whether this version does what the key asks for.
        choices: The values it takes; empty if they are not a list.
        path: Whether it says where something lies on this machine.
        absent: Whether the defaults leave it out.
        section: Whether it is a section rather than a value.
        open: Whether it is a section or value that takes keys of its own.
    """

    key: str
    type: str
    default: Any
    doc: str
    unit: str = ""
    bounds: str = ""
    source: str = ""
    acted_on: bool = True
    choices: tuple[Any, ...] = ()
    path: bool = False
    absent: bool = False
    section: bool = False
    open: bool = False


def walk(model: type[BaseModel], prefix: str = "", inherited: bool = True) -> Iterator[Key]:
    """Give every key of a model, sections before their keys; `*` stands for a list's index."""
    for name, info in model.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        dotted = f"{prefix}.{name}" if prefix else name
        below = submodel(info.annotation)
        is_section = isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
        acted_on = inherited and bool(extra.get("acted_on", True))
        yield Key(
            key=dotted,
            type="section" if is_section else type_text(info.annotation),
            default=None if is_section else default_of(info),
            doc=info.description or "",
            unit=str(extra.get("unit", "")),
            bounds=bounds_text(info),
            source=str(extra.get("source", "")),
            acted_on=acted_on,
            choices=tuple(extra.get("choices") or literals(info.annotation)),  # type: ignore[arg-type]  # json_schema_extra holds any JSON; here a list
            path=bool(extra.get("path")),
            absent=bool(extra.get("absent")),
            section=is_section,
            open=_is_open(info.annotation),
        )
        if below is not None:
            yield from walk(below, dotted, acted_on)
        item = list_item(info.annotation)
        if item is not None:
            yield from walk(item, f"{dotted}.*", acted_on)


def submodel(annotation: Any) -> type[BaseModel] | None:
    """Give the section that an annotation is or admits, `None` if it admits none."""
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def list_item(annotation: Any) -> type[BaseModel] | None:
    """Give the section that a list's items are, `None` if it is no such list."""
    for part in _parts(annotation):
        if get_origin(part) is list:
            return submodel(get_args(part)[0])
    return None


def default_of(info: FieldInfo) -> Any:
    """Give a field's default as a plain value; `None` for a required one."""
    value = info.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return None
    return value.model_dump() if isinstance(value, BaseModel) else value


def type_text(annotation: Any) -> str:
    """Write a type as people read it: `int | null`, `list[str]`, `"min" | "max"`."""
    if annotation in _NAMES:
        return _NAMES[annotation]
    origin = get_origin(annotation)
    if origin is Literal:
        return " | ".join(_literal_text(value) for value in get_args(annotation))
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(type_text(part) for part in get_args(annotation)))
    if hasattr(annotation, "__metadata__"):
        return type_text(get_args(annotation)[0])
    if origin in (list, dict):
        parts = ", ".join(type_text(part) for part in get_args(annotation))
        return "dict" if origin is dict else f"list[{parts}]"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "dict"
    return getattr(annotation, "__name__", str(annotation))


def literals(annotation: Any) -> tuple[Any, ...]:
    """Give the values that an annotation lists by name."""
    return tuple(
        value
        for part in _parts(annotation)
        if get_origin(part) is Literal
        for value in get_args(part)
    )


def bounds_text(info: FieldInfo) -> str:
    """Write a field's bounds: `≥ 1, < 5`; where they differ by type, `int ≥ 0; float ≥ 0, ≤ 1`."""
    if own := _bounds(info.metadata):
        return own
    by_type = {}
    for part in _parts(info.annotation, keep_annotated=True):
        metadata = [
            item
            for outer in getattr(part, "__metadata__", ())
            for item in (outer.metadata if isinstance(outer, FieldInfo) else [outer])
        ]
        if bounds := _bounds(metadata):
            by_type[type_text(part)] = bounds
    if len(by_type) == 1:
        return next(iter(by_type.values()))
    return "; ".join(f"{name} {bounds}" for name, bounds in by_type.items())


def _bounds(metadata: Iterable[Any]) -> str:
    found = []
    for item in metadata:
        for name, sign in _BOUNDS.items():
            bound = getattr(item, name, None)
            if bound is not None:
                found.append(f"{sign} {int(bound) if float(bound).is_integer() else bound}")
    return ", ".join(dict.fromkeys(found))


def _parts(annotation: Any, keep_annotated: bool = False) -> Iterator[Any]:
    """Give the members of a union, `Annotated` taken off; the annotation itself if it is none."""
    if hasattr(annotation, "__metadata__"):
        if keep_annotated:
            yield annotation
        else:
            yield from _parts(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _parts(part, keep_annotated)
    else:
        yield annotation


def _is_open(annotation: Any) -> bool:
    return any(
        get_origin(part) is dict
        or (
            isinstance(part, type)
            and issubclass(part, BaseModel)
            and part.model_config.get("extra") == "allow"
        )
        for part in _parts(annotation)
    )


def _literal_text(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
