"""Everything wrong with a config at once: each problem with its place and the nearest right name.

Nothing that a config names is imported or run here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from trainer.config.aliases import ALIASES, canonical_key
from trainer.config.hardware_rules import hardware_problems
from trainer.config.health_rules import health_problems
from trainer.config.lightning_rules import lightning_problems
from trainer.config.loader_rules import loader_problems
from trainer.config.logger_rules import logger_problems
from trainer.config.lora_rules import lora_problems
from trainer.config.loss_rules import loss_problems
from trainer.config.remedies import in_spelled_section, remedy_for, spelled_sections
from trainer.config.schema import Config, fields, sections
from trainer.config.schema_base import Key
from trainer.config.schema_trainer import HANDLED_ELSEWHERE
from trainer.config.symbolic_rules import symbolic_problems
from trainer.config.target_args import argument_problems
from trainer.config.targets_allowed import TARGET, problem_with_target
from trainer.config.text import clean
from trainer.config.toml_tables import GROUPS
from trainer.config.torch_rules import (
    is_number,
    optimizer_problems,
    origin,
    scheduler_problems,
    text_of,
)
from trainer.config.torch_together import contradictions
from trainer.config.trainer_rules import trainer_problems
from trainer.errors import Problem, nearest
from trainer.paths import at_home
from trainer.secrets import has_password, is_empty, is_secret_key, mask

_NESTED = (dict, list)
_INDEX = re.compile(r"\.\d+(?=\.|$)")


def validate(
    config: Mapping[str, Any], provenance: Mapping[str, Any] | None = None
) -> list[Problem]:
    """Check a canonical, resolved config.

    Args:
        config: Plain nested values without interpolations, as `finalize` leaves them.
        provenance: For each dotted key what set it; shown by its `str()`.

    Returns:
        Every problem in the config's order; empty if it is valid.
    """
    where = provenance or {}
    problems: list[Problem] = []
    try:
        Config.model_validate(config)
    except ValidationError as error:
        problems += problems_of(error, config, where)
    problems += _target_problems(config, where)
    # What the schema knows of a key it has told already.
    told = {problem.key for problem in problems}
    problems += [each for each in argument_problems(config, where) if each.key not in told]
    problems += optimizer_problems(config, where)
    problems += scheduler_problems(config, where)
    problems += contradictions(config, where)
    problems += lora_problems(config, where)
    problems += hardware_problems(config, where)
    problems += trainer_problems(config, where)
    problems += lightning_problems(config, where)
    problems += loader_problems(config, where)
    problems += health_problems(config, where)
    problems += loss_problems(config, where)
    problems += symbolic_problems(config, where)
    problems += logger_problems(config, where)
    problems += _together(config, where)
    secret = {problem.key: problem for problem in _secret_problems(config, where)}
    # Whatever else is wrong with a secret: its value is not shown.
    problems = [*secret.values(), *(p for p in problems if not _concerns(p, secret))]
    if not problems:
        return []
    order = {key: at for at, (key, _) in enumerate(_leaves(config, ""))}
    unique = {(p.key, p.what): _shown(p) for p in problems}
    return sorted(unique.values(), key=lambda p: _position(p.key, order))


def _shown(problem: Problem) -> Problem:
    """Make a problem fit for a terminal: no control characters, nothing endless."""
    what, where = clean(mask(problem.what)), clean(mask(problem.where))
    return Problem(what, where, clean(problem.remedy, limit=1000), problem.key)


def problems_of(
    error: ValidationError, config: Mapping[str, Any], where: Mapping[str, Any]
) -> list[Problem]:
    """Turn what the schema found into problems, one for each key."""
    found: dict[str, Problem] = {}
    for item in error.errors(include_url=False, include_context=False):
        path = _config_path(item["loc"], config)
        key = ".".join(map(str, path))
        if item["type"] == "extra_forbidden":
            spelled = in_spelled_section(key, _at(config, path), where)
            found |= {each.key: each for each in spelled or [_unknown(key, where, config)]}
        elif item["type"] == "missing":
            found.setdefault(key, Problem(f"'{key}' is missing.", origin(key, where), "", key))
        else:
            found.setdefault(key, _wrong_value(key, _at(config, path), where, item["msg"]))
    # A problem inside a value says more than one about the whole value.
    return [
        problem
        for key, problem in found.items()
        if not any(other.startswith(f"{key}.") for other in found)
    ]


def expected(known: Key) -> str:
    """Say what a key takes: `int | null, ≥ 1, in seconds`."""
    kind = known.type
    if known.choices and len(kind) > 80:
        kind = " | ".join(str(choice) for choice in known.choices if isinstance(choice, str))
    unit = f", in {known.unit}" if known.unit else ""
    return f"{kind}{f', {known.bounds}' if known.bounds else ''}{unit}"


def _config_path(loc: tuple[int | str, ...], config: Any) -> list[int | str]:
    """Take the names of a union's members out of pydantic's location."""
    path: list[int | str] = []
    node = config
    for at, part in enumerate(loc):
        if _holds(node, part):
            node = node[part]
        elif at == len(loc) - 1 and ".".join(map(str, [*path, part])) in fields():
            pass  # a required key that is not there
        else:
            continue
        path.append(part)
    while path and isinstance(path[-1], int):  # the list as a whole is what the schema knows
        path.pop()
    return path


def _holds(node: Any, part: int | str) -> bool:
    if isinstance(node, list):
        return isinstance(part, int) and part < len(node)
    return isinstance(node, Mapping) and part in node


def _at(config: Any, path: Iterable[int | str]) -> Any:
    for part in path:
        config = config[part]
    return config


def _unknown(key: str, where: Mapping[str, Any], config: Mapping[str, Any]) -> Problem:
    section, _, name = key.rpartition(".")
    place = origin(key, where)
    if section == "trainer" and name in HANDLED_ELSEWHERE:
        return Problem(f"'{key}' cannot be given.", place, HANDLED_ELSEWHERE[name], key)
    prefix = f"{section}." if section else ""
    beside = [
        known.removeprefix(prefix)
        for known in fields()
        if known.startswith(prefix) and "." not in known.removeprefix(prefix)
    ]
    same = key_of_name(name, section, config)
    if "." in section and same.partition(".")[0] != section.partition(".")[0]:
        same = ""  # below a section within a section, a key of another one is hardly meant
    remedy = f"Did you mean '{same}'?" if same else ""
    if not remedy and not section:
        remedy = _nearest_at_top(name, beside) or f"There are {', '.join(sections())}."
    if not remedy:
        remedy = nearest(name, beside).replace("mean '", f"mean '{prefix}")
    if not remedy and 0 < len(beside) <= 20:
        remedy = f"'{section}' has {', '.join(beside)}."
    if not remedy:
        remedy = nearest(name, [known for known in fields() if "." in known])
    return Problem(f"there is no key '{key}'.", place, remedy, key)


def key_of_name(name: str, section: str = "", config: Mapping[str, Any] | None = None) -> str:
    """Find a key whose last part is a name: `optimizer.config.lr` for `lr`.

    Args:
        name: The last part.
        section: Where the key was looked for; one below the same top section is nearer.
        config: Says which optimizer and scheduler there is, whose keywords are keys as well.

    Returns:
        The key; empty if there is none.
    """
    from trainer.config.values import known_keys

    top = section.partition(".")[0]
    known = [*(key for key, about in fields().items() if not about.section)]
    known += [about.key for about in known_keys(config)]
    found = [key for key in known if key.rpartition(".")[2] == name]
    return min(found, key=lambda key: key.partition(".")[0] != top, default="")


def _nearest_at_top(name: str, beside: Iterable[str]) -> str:
    """Find a section, or another spelling that stands at the top, much like a name."""
    spellings = [row.old for row in ALIASES if "." not in row.old]
    close = nearest(name, [*beside, *spellings, *spelled_sections()])
    written = close.split("'")[1] if close else ""
    if written in spellings:
        return f"Did you mean '{written}', which is '{canonical_key(written)}'?"
    return close


def _wrong_value(key: str, value: Any, where: Mapping[str, Any], why: str) -> Problem:
    known = fields().get(_INDEX.sub(".*", key))
    shown = text_of(value)
    if known is None:  # a value of a mapping, of which only pydantic knows what it takes
        takes = why.removeprefix("Input should be ")
        remedy = f"It takes {takes}." if takes != why else ""
        return Problem(f"'{key}' cannot be {shown}.", origin(key, where), remedy, key)
    if known.section:
        remedy = ""
        if isinstance(value, str):
            remedy = f"An option of a group is chosen by {key}={value}, or in a defaults list."
        elif key == "logger":
            remedy = "Choose logger=none or logger=tensorboard."
        elif key in GROUPS:
            remedy = f"Name an option of the group; `traindeck profiles list {key}` lists them."
        return Problem(
            f"'{key}' is a section of keys, not {shown}.", origin(key, where), remedy, key
        )
    what = f"'{key}' cannot be {shown}: it takes {expected(known)}."
    return Problem(what, origin(key, where), remedy_for(known, value), key)


def _targets(value: Any, path: tuple[Any, ...], found: list[tuple[tuple[Any, ...], Any]]) -> None:
    """Collect every `_target_` with the path of its section."""
    # On every compose, over every value: no generator, no dotted names before they are needed.
    if type(value) is dict:
        for name, below in value.items():
            if name == TARGET:
                found.append((path, below))
            elif type(below) in _NESTED:
                _targets(below, (*path, name), found)
    elif type(value) is list:
        for at, item in enumerate(value):
            if type(item) in _NESTED:
                _targets(item, (*path, at), found)


def _target_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    found: list[tuple[tuple[Any, ...], Any]] = []
    _targets(dict(config), (), found)
    for path, target in found:
        wrong = problem_with_target(target)
        if wrong is not None:
            section = ".".join(map(str, path))
            key = f"{section}.{TARGET}" if section else TARGET
            yield Problem(f"'{section}': {wrong[0]}", origin(key, where), wrong[1], key)


def _secret_problems(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """What everybody who may read the run folder would read in it."""
    for key, value in _leaves(config, ""):
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            continue
        text = str(value)
        if is_secret_key(key) and not is_empty(text):
            what = f"'{key}' looks like a secret, which would be written into the run folder."
        elif has_password(text):
            what = f"'{key}' holds a password, which would be written into the run folder."
        else:
            continue
        remedy = "Set it in the environment instead (such as WANDB_API_KEY)."
        yield Problem(what, origin(key, where), remedy, key)


def _concerns(problem: Problem, keys: Iterable[str]) -> bool:
    """Tell whether a problem's key is one of these, or a section that holds one."""
    return any(key == problem.key or key.startswith(f"{problem.key}.") for key in keys)


def _together(config: Mapping[str, Any], where: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong only in keys taken together."""
    trainer = _section(config, "trainer")
    limits = _section(config, "limits")
    wall, grace = limits.get("wall_clock"), limits.get("grace")
    if is_number(wall) and is_number(grace) and 0 < wall <= grace:
        yield Problem(
            f"'limits.grace' ({grace:g} s) leaves nothing of 'limits.wall_clock' ({wall:g} s).",
            origin("limits.wall_clock", where),
            "Make the grace shorter than the wall clock.",
            "limits.grace",
        )
    if limits.get("epoch_must_fit") is True and wall is None:
        yield Problem(
            "'limits.epoch_must_fit' has no 'limits.wall_clock' that an epoch could exceed.",
            origin("limits.epoch_must_fit", where),
            "Set a wall clock, or leave the key out.",
            "limits.epoch_must_fit",
        )
    if trainer.get("devices") in (0, "0", []) and trainer.get("devices") is not False:
        yield Problem(
            f"'trainer.devices' is {text_of(trainer['devices'])}: nothing would train.",
            origin("trainer.devices", where),
            "Give a count of 1 or more, a list of indices, or auto.",
            "trainer.devices",
        )
    run = _section(config, "run")
    resume = run.get("resume")
    if isinstance(resume, str) and resume not in ("never", "auto") and not _is_file(resume):
        yield Problem(
            f"'run.resume' is {text_of(resume)}, and there is no such file.",
            origin("run.resume", where),
            "Give the path of a checkpoint, never or auto.",
            "run.resume",
        )
    for name in ("hash_file", "debug_log"):
        file = run.get(name)
        if isinstance(file, str) and not _is_file_name(file):
            yield Problem(
                f"'run.{name}' must be the name of a file, not {text_of(file)}.",
                origin(f"run.{name}", where),
                "Leave out folders and control characters.",
                f"run.{name}",
            )


def _is_file(text: str) -> bool:
    try:
        return at_home(text).is_file()
    except (OSError, ValueError):  # a NUL, too long a name
        return False


def _is_file_name(text: str) -> bool:
    return (
        0 < len(text) <= 200
        and text not in (".", "..")
        and "/" not in text
        and "\\" not in text
        and text.isprintable()
    )


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    return section if isinstance(section, Mapping) else {}


def _leaves(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if prefix:
        yield prefix, value
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _leaves(below, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _leaves(item, f"{prefix}.{at}")


def _position(key: str, order: Mapping[str, int]) -> int:
    while key:
        if key in order:
            return order[key]
        key = key.rpartition(".")[0]
    return len(order)
