"""The person's settings of the app: each field once, with its meaning, its values and its check.

What is documented here is what is loaded, what the template explains and what `docs/app.md` lists.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from trainer.config.settings import Written, read, settings_file, shown
from trainer.errors import ConfigError, Problem, nearest
from trainer.paths import at_home
from tui.memory import recall, remember

#: Gives the value to keep, or raises ValueError with what is wrong.
Check = Callable[[Any], Any]
#: So many problems are told at once.
_TOLD = 3


def _one_of(*words: str) -> Check:
    def check(value: Any) -> str:
        # YAML 1.1 reads a bare `off` or `no` as false.
        if isinstance(value, str) and value in words:
            return value
        hint = nearest(value, words) if isinstance(value, str) else ""
        raise ValueError(f"must be one of {', '.join(words)}. {hint}".rstrip())

    return check


def _theme(value: Any) -> str:
    if value == "auto":
        return "auto"
    from tui.theme import names

    known = names()
    if isinstance(value, str) and value in known:
        return value
    near = difflib.get_close_matches(value, known, n=1) if isinstance(value, str) else []
    hint = f"Did you mean '{near[0]}'?" if near else "ctrl+t in the app shows all themes."
    raise ValueError(f"is no theme. {hint}")


def _number(low: float, high: float) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        if not low <= value <= high:
            raise ValueError(f"must lie from {low:g} to {high:g}")
        return float(value)

    return check


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return value.strip()


def _folders(value: Any) -> tuple[Path, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise ValueError("must be a list of folders")
    try:
        found = tuple(at_home(each) for each in value)
    except RuntimeError as error:
        raise ValueError(f"names a home folder that is not known: {error}") from None
    if relative := [each for each in found if not each.is_absolute()]:
        raise ValueError(f"must be full paths; '{relative[0]}' would change with where you stand")
    return found


def _prefixes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise ValueError("must be a list of module names")
    return tuple(value)


def _setting(default: Any, values: str, doc: str, check: Check, example: str) -> Any:
    """Declare a field.

    Args:
        default: Its value where the file does not set it.
        values: The values it takes, for people.
        doc: What it does, in a sentence or two.
        check: Judges a value.
        example: A value for the template, as YAML.
    """
    meta = {"values": values, "doc": doc, "check": check, "example": example}
    return field(default=default, metadata=meta)


@dataclass(frozen=True)
class Settings:
    """What a person may set; the metadata of each field say what it means and takes."""

    theme: str = _setting(
        "auto",
        "`auto` or a theme's name",
        "Colours. `auto` takes the terminal's own 16 colours (`ansi-dark`) where it has no more, "
        "and `traindeck` elsewhere. What you choose with ctrl+t is remembered while this is not set.",
        _theme,
        "auto",
    )
    glyphs: str = _setting(
        "auto",
        "`auto`, `unicode`, `ascii`",
        "Signs to draw with. Choose `ascii` where the font lacks braille.",
        _one_of("auto", "unicode", "ascii"),
        "auto",
    )
    refresh: float = _setting(
        2.0,
        "0.5 to 4",
        "How often a second the screens look for news. Less saves bytes over a slow line.",
        _number(0.5, 4.0),
        "2",
    )
    runs_dirs: tuple[Path, ...] = _setting(
        (),
        "list of folders",
        "Further folders whose runs are listed; new runs still go into `--runs-dir`.",
        _folders,
        "[/mnt/shared/runs]",
    )
    editor: str = _setting(
        "",
        "a command",
        "Editor for profiles and these settings; `$VISUAL`, then `$EDITOR`, then `vi` if not set.",
        _text,
        "nano",
    )
    mouse: bool = _setting(
        True,
        "`true`, `false`",
        "Whether the app takes the mouse. `false` leaves selecting and copying to the terminal.",
        _boolean,
        "false",
    )
    confirm_stop: bool = _setting(
        True,
        "`true`, `false`",
        "Whether to ask before a run is stopped. Killing and deleting always ask.",
        _boolean,
        "false",
    )
    allowed_prefixes: tuple[str, ...] = _setting(
        (),
        "list of module names",
        "Packages of your own whose classes a config may name with `_target_`. Read by everything "
        "that composes a config, not only by the app.",
        _prefixes,
        "[my_package]",
    )


@dataclass(frozen=True)
class Loaded:
    """The settings, and what was wrong with the file.

    Attributes:
        settings: The settings; the default stands in for each wrong value.
        problems: What is wrong, in the order of the file.
        given: The names of the fields that the file sets rightly.
    """

    settings: Settings = field(default_factory=Settings)
    problems: tuple[Problem, ...] = ()
    given: frozenset[str] = frozenset()


def load(path: Path | None = None) -> Loaded:
    """Load the settings; whatever stands in the file, this never raises.

    A file without faults is parsed once and remembered until it changes, so that starting the app
    need not load a YAML parser.

    Args:
        path: The file; the person's own if None.
    """
    try:
        path = path or settings_file()
        status = path.stat()
    except FileNotFoundError:
        return Loaded()
    except (OSError, RuntimeError):
        return Loaded(problems=(Problem("Your settings cannot be reached.", str(path or "")),))
    key = [str(path), status.st_mtime_ns, status.st_size]
    known = recall("settings")
    if known.get("file") == key and isinstance(known.get("values"), dict):
        loaded = _judge({k: Written(v, 0) for k, v in known["values"].items()}, path)
        if not loaded.problems:
            return loaded
    try:
        written = read(path)
    except ConfigError as error:
        return Loaded(problems=error.problems)
    loaded = _judge(written, path)
    values = {name: each.value for name, each in written.items()}
    if not loaded.problems and _same_in_json(values):
        remember("settings", {"file": key, "values": values})
    return loaded


def _same_in_json(values: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(json.dumps(values)) == values)
    except (TypeError, ValueError):
        return False


def _judge(written: dict[str, Written], path: Path) -> Loaded:
    known = {each.name: each for each in fields(Settings)}
    problems: list[Problem] = []
    kept: dict[str, Any] = {}
    for name, given in written.items():
        place = f"{shown(path)}:{given.line}"
        if name not in known:
            hint = nearest(name, known) or f"Known are {', '.join(known)}."
            problems.append(Problem(f"There is no setting '{name}'.", place, hint, name))
        elif given.value is not None:  # `theme:` with nothing behind it is not set
            try:
                kept[name] = known[name].metadata["check"](given.value)
            except ValueError as error:
                what = f"'{name}: {_yaml(given.value)}' {error}"
                problems.append(Problem(what, place, "The default is used.", name))
    return Loaded(Settings(**kept), tuple(problems), frozenset(kept))


def told(problems: Sequence[Problem]) -> str:
    """Write what is wrong with the file in one short text, for one message on a small screen."""
    lines = [str(each) for each in problems[:_TOLD]]
    if more := len(problems) - len(lines):
        lines.append(f"And {more} more. ctrl+p, Edit settings, opens the file.")
    return "\n".join(lines)


def _yaml(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:39]}…"


def table() -> list[tuple[str, str, str, str]]:
    """Give (name, values, default, what it does) of each setting, for documents."""
    return [
        (each.name, each.metadata["values"], _default(each.default), each.metadata["doc"])
        for each in fields(Settings)
    ]


def _default(value: Any) -> str:
    if value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def template() -> str:
    """Give a settings file in which everything is explained and nothing is set."""
    import textwrap

    parts = ["# Settings of traindeck. Take away the # before a line to set it."]
    for each in fields(Settings):
        doc = each.metadata["doc"].replace("`", "")
        values = each.metadata["values"].replace("`", "")
        about = f"{doc} Takes: {values}; default: {_default(each.default)}."
        lines = textwrap.wrap(about, 92, break_long_words=False, break_on_hyphens=False)
        parts.append("\n".join([f"# {line}" for line in lines]))
        parts[-1] += f"\n# {each.name}: {each.metadata['example']}"
    return "\n\n".join(parts) + "\n"


def make_file() -> Path:
    """Give the person's settings file, made from the template if there is none.

    Raises:
        OSError: It cannot be made.
    """
    path = settings_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        pass
    return path
