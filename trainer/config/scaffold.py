"""Makes a new profile as the group's own README asks for it: the file, its line there, and a test."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainer.config.docs import README, readme_text
from trainer.config.schema import defaults, fields, sections
from trainer.config.schema_base import Key
from trainer.config.sources import Option, find, search_path
from trainer.config.text import clean
from trainer.errors import ConfigError, Problem, nearest

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,79}")
_RESERVED = frozenset({"null", "true", "false", "none_", "_self_", "config", "con", "nul"})
_GLOBAL = "# @package _global_\n"


def new_profile(
    name: str,
    *,
    folder: Path = Path("profiles"),
    copy_from: str | None = None,
    tests: Path | None = None,
) -> list[Path]:
    """Make a profile, its entry in the group's README, and a test that composes it.

    Args:
        name: `GROUP/NAME`, such as `trainer/multi_gpu`.
        folder: The folder of profiles to write to.
        copy_from: A profile to begin with: the name of an option of the group, or `GROUP/NAME`.
            Its comments are kept. None: every key of the group, commented out.
        tests: The folder of tests; `tests` beside `folder` when not given.

    Returns:
        The files that were written: the profile, the README, the test.

    Raises:
        ConfigError: The name is unsafe, something of that name exists, there is no such profile to
            copy from, or a file cannot be written. Nothing that exists is changed but the README.
    """
    group, option = _checked(name)
    folder = Path(folder)
    tests = folder.parent / "tests" if tests is None else Path(tests)
    profile = folder / group / f"{option}.yaml"
    test = tests / group / f"test_{_identifier(option)}.py"
    for path in (profile, test):
        if path.exists() or path.is_symlink():
            raise ConfigError(
                Problem(f"'{clean(str(path))}' exists.", remedy="Choose another name.")
            )
    text = template(group, option) if copy_from is None else _copy(group, copy_from, folder)
    readme = profile.parent / README
    try:
        _write_new(profile, text)
        readme.write_text(readme_text(profile.parent, group), encoding="utf-8")
        _write_new(test, _test(group, option, folder, test))
    except OSError as error:
        raise ConfigError(Problem(f"The profile cannot be written: {clean(str(error))}.")) from None
    return [profile, readme, test]


def _checked(name: str) -> tuple[str, str]:
    """Split a profile's name into group and option.

    Raises:
        ConfigError: It is none, or leaves the folder.
    """
    parts = name.split("/")
    if len(parts) < 2 or not all(_is_safe(part) for part in parts):
        shown = clean(name)
        raise ConfigError(
            Problem(
                f"'{shown if len(shown) <= 100 else shown[:100] + '…'}' is no name for a profile.",
                remedy="Write GROUP/NAME with letters, digits, '_', '-' and '.', "
                "such as trainer/multi_gpu.",
            )
        )
    return "/".join(parts[:-1]), parts[-1]


def _is_safe(part: str) -> bool:
    return (
        _PART.fullmatch(part) is not None
        and ".." not in part
        and not part.endswith((".", ".yaml", ".yml"))
        and part.lower() not in _RESERVED
    )


def _identifier(option: str) -> str:
    return re.sub(r"\W", "_", option)


def _copy(group: str, copy_from: str, folder: Path) -> str:
    other = copy_from if "/" in copy_from else f"{group}/{copy_from}"
    wanted_group, wanted = other.rsplit("/", 1)
    found = find(wanted_group, wanted, profiles_dir=folder if folder.is_dir() else None)
    if found is None:
        from trainer.config.sources import list_options

        known = [known.name for known in list_options(wanted_group)]
        raise ConfigError(
            Problem(
                f"There is no profile '{clean(other)}' to copy from.",
                remedy=nearest(wanted, known) or f"There are {', '.join(known) or 'none'}.",
            )
        )
    if found.table:
        return _as_yaml(found, folder)
    return found.path.read_text(encoding="utf-8")


def _as_yaml(table: Option, folder: Path) -> str:
    """Write what a table of a TOML file says as a YAML profile."""
    from trainer.config.dump import to_yaml
    from trainer.config.tables import profile

    full = f"{table.group}/{table.name}"
    found = profile(search_path(folder if folder.is_dir() else None), full)
    assert found is not None
    lines = [_GLOBAL, f"# {table.doc or table.name}\n"]
    if found.defaults:
        lines.append("defaults:\n")
        for entry in found.defaults:
            if entry.group is None:
                lines.append(f"  - {entry.value}\n")
            else:
                word = "override " if entry.override else ""
                lines.append(f"  - {word}{entry.group}: {json.dumps(entry.value)}\n")
    return "".join([*lines, to_yaml(found.values)]) if found.values else "".join(lines)


def template(group: str, option: str) -> str:
    """Write a profile in which every key stands as a comment with its default and help.

    Args:
        group: The group it is for.
        option: Its name.
    """
    header = f"# {option}: say here in one sentence what this profile is for.\n"
    hint = (
        "#\n# Each key below is a comment with its default; take away the `# ` before those that"
        " differ.\n"
    )
    if group in sections() and fields()[group].section:
        reach = (
            "# To set keys of other sections too, write `# @package _global_` as the first line and"
            f"\n# put these below `{group}:`.\n"
        )
        body = "".join(_lines(defaults()[group], group, 0))
        return header + hint + reach + "\n" + body
    body = "".join(_lines(defaults(), "", 0))
    return _GLOBAL + header + hint + "\n" + body


def _lines(tree: dict[str, Any], prefix: str, depth: int) -> Iterator[str]:
    """Give a commented line for each key of a section, those without a default included."""
    indent = "  " * depth
    names = dict.fromkeys([*tree, *_children(prefix)])
    for name in names:
        key = f"{prefix}.{name}" if prefix else name
        known = fields().get(key)
        value = tree.get(name)
        if known is not None and known.section and not any(_children(key)):
            yield f"# {indent}{name}: {{}}  # {known.doc}\n"
        elif known is not None and known.section:
            yield f"# {indent}{name}:\n"
            yield from _lines(value if isinstance(value, dict) else {}, key, depth + 1)
        elif known is not None:
            yield f"# {indent}{name}: {json.dumps(value)}{_help(known)}\n"


def _children(prefix: str) -> Iterator[str]:
    """Name the keys directly below a section."""
    for key in fields():
        above, _, name = key.rpartition(".")
        if above == prefix:
            yield name


def _help(known: Key) -> str:
    kind = "" if len(known.type) > 60 else known.type
    facts = ", ".join(fact for fact in (kind, known.bounds, known.unit) if fact)
    return f"  # {known.doc}{f' ({facts})' if facts else ''}"


def _test(group: str, option: str, folder: Path, test: Path) -> str:
    """Write a test that composes the profile from the folder that it lies in."""
    up = len(group.split("/")) + 1
    base = test.absolute().parents[up]
    try:
        relative = folder.absolute().relative_to(base).as_posix()
        place = f'Path(__file__).resolve().parents[{up}] / "{relative}"'
    except ValueError:
        place = f"Path({str(folder.absolute())!r})"
    choice = f"{group}={option}" if group in _known_groups() else f"+{group}={option}"
    return f'''"""The profile {group}/{option} makes a valid config."""

from pathlib import Path

from trainer.config.compose import compose

PROFILES = {place}


def test_{_identifier(option)}_makes_a_valid_config() -> None:
    composed = compose(["{choice}"], profiles_dir=PROFILES, cwd=PROFILES.parent)
    assert composed.choices["{group}"] == "{option}"
'''


def _known_groups() -> set[str]:
    """Name the groups of the built-in primary file; others are added with `+`."""
    import yaml

    import profiles

    primary = yaml.safe_load((profiles.FOLDER / "config.yaml").read_text(encoding="utf-8"))
    return {
        str(group) for entry in primary["defaults"] if isinstance(entry, dict) for group in entry
    }


def _write_new(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
