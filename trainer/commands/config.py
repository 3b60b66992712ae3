"""`traindeck config …` and `traindeck diff`: what would run, how it differs, where values come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.output import json_line, line, note, table
from trainer.errors import EXIT_OK, EXIT_WRONG_INPUT, ConfigError, Problem, RunError, nearest
from trainer.events.text import clean
from trainer.runs.plan import NO_CHANGES, diff_lines, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.config.compose import Composed
    from trainer.config.diff import Change


def show(
    *,
    overrides: tuple[str, ...],
    config_file: Path | None,
    profiles_dir: Path | None,
    as_json: bool,
) -> int:
    """Print the composed config; see `traindeck config show --help`."""
    composed = _compose(overrides, config_file, profiles_dir)
    if as_json:
        json_line(
            {"config": composed.config, "hash": composed.hash, "choices": dict(composed.choices)}
        )
    else:
        line(composed.yaml().rstrip())
    return EXIT_OK


def diff(
    *,
    overrides: tuple[str, ...],
    against: str | None,
    config_file: Path | None,
    profiles_dir: Path | None,
    runs_dir: Path,
    as_json: bool,
) -> int:
    """Show the diff against the defaults or `against`; see `traindeck config diff --help`."""
    from trainer.config.compose import defaults_of
    from trainer.config.diff import diff as compare

    composed = _compose(overrides, config_file, profiles_dir)
    base = defaults_of(composed) if against is None else _base(against, profiles_dir, runs_dir)
    changes = compare(base, composed)
    if as_json:
        json_line({"diff": change_rows(changes), "notes": list(composed.notes)})
        return EXIT_OK
    print_changes(changes)
    for text in composed.notes:
        line(f"note: {clean(text)}")
    return EXIT_OK


def validate(
    *,
    overrides: tuple[str, ...],
    config_file: Path | None,
    profiles_dir: Path | None,
    as_json: bool,
) -> int:
    """Check a config and list every problem; see `traindeck config validate --help`."""
    try:
        composed = _compose(overrides, config_file, profiles_dir)
    except ConfigError as error:
        if not as_json:
            raise
        problems = [
            {"key": p.key, "where": p.where, "what": p.what, "remedy": p.remedy}
            for p in error.problems
        ]
        json_line({"valid": False, "problems": problems})
        return EXIT_WRONG_INPUT
    if as_json:
        json_line({"valid": True, "problems": [], "notes": list(composed.notes)})
        return EXIT_OK
    line(f"valid  {composed.hash}")
    for text in composed.notes:
        line(f"note: {clean(text)}")
    return EXIT_OK


def where(
    *,
    key: str,
    overrides: tuple[str, ...],
    config_file: Path | None,
    profiles_dir: Path | None,
    as_json: bool,
) -> int:
    """Tell where the value of `key` comes from; see `traindeck config where --help`."""
    from trainer.config.aliases import canonical_key
    from trainer.config.provenance import leaves
    from trainer.config.values import about

    composed = _compose(overrides, config_file, profiles_dir)
    asked, key = key, canonical_key(key)
    known = about(key, composed.config)
    rows = [
        (name, value, composed.provenance.get(name))
        for name, value in leaves(composed.config)
        if name == key or name.startswith(key + ".")
    ]
    if not rows and known is None:
        remedy = _nearest_key(key, composed.config)
        raise ConfigError(Problem(f"the config has no key '{key}'.", remedy=remedy, key=key))
    if as_json:
        json_line([{"key": k, "value": v, "from": str(o) if o else None} for k, v, o in rows])
        return EXIT_OK
    if key != asked:
        note(f"{asked} is another spelling of {key}")
    told = [[k, text_of(v), str(o) if o else ""] for k, v, o in rows]
    table(["KEY", "VALUE", "FROM"], told or [[key, "", "set nowhere"]])
    if known is not None:
        unit = f" [{known.unit}]" if known.unit else ""
        line(f"\n{known.doc}{unit}")
        line(f"type {known.type}, default {text_of(known.default)}")
    return EXIT_OK


def _nearest_key(key: str, config: Mapping[str, Any]) -> str:
    """Suggest a key: one with the same last part, one beside it, or one much like it."""
    from trainer.config.validate import key_of_name
    from trainer.config.values import known_keys

    section, _, name = key.rpartition(".")
    if same := key_of_name(name, section, config):
        return f"Did you mean '{same}'?"
    every = [known.key for known in known_keys(config)]
    beside = [known.rpartition(".")[2] for known in every if known.rpartition(".")[0] == section]
    if not beside:
        return nearest(key, every)
    if close := nearest(name, beside):
        return close.replace("mean '", f"mean '{section}.")
    return f"'{section}' has {', '.join(beside)}." if len(beside) <= 20 else ""


def aliases(as_json: bool) -> int:
    """List the other spellings; see `traindeck config aliases --help`."""
    from trainer.config.aliases import table as alias_rows

    rows = alias_rows()
    if as_json:
        json_line(
            [{"alias": r.old, "key": r.new, "source": r.source, "note": r.note} for r in rows]
        )
    else:
        table(
            ["WRITTEN", "MEANS", "DOCUMENT", "NOTE"],
            [[r.old, r.new, r.source, r.note] for r in rows],
        )
    return EXIT_OK


def diff_runs(*, a: str, b: str, runs_dir: Path, as_json: bool) -> int:
    """Show in which keys two runs differ; see `traindeck diff --help`."""
    from trainer.config.compose import load_run
    from trainer.config.diff import diff as compare
    from trainer.runs.index import find

    first, second = find(runs_dir, a), find(runs_dir, b)
    if first.path == second.path:
        raise RunError(
            Problem(
                f"'{a}' and '{b}' are the same run, {first.id}.",
                remedy="A name means the newest run of that name; ids are in: traindeck runs",
            )
        )
    changes = compare(load_run(first.config), load_run(second.config))
    if as_json:
        json_line({"a": first.id, "b": second.id, "diff": change_rows(changes)})
    else:
        print_changes(changes, same=f"{first.id} and {second.id} have the same config")
    return EXIT_OK


def change_rows(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Give changes as JSON rows."""
    return [
        {
            "key": c.key,
            "kind": str(c.kind),
            "old": c.old,
            "new": c.new,
            "from": str(c.origin) if c.origin else None,
        }
        for c in changes
    ]


def print_changes(changes: Sequence[Change], same: str = NO_CHANGES) -> None:
    """Print changes as a table: sign, key, old → new, origin."""
    for text in diff_lines(changes, same):
        line(text)


def _compose(
    overrides: Sequence[str], config_file: Path | None, profiles_dir: Path | None
) -> Composed:
    from trainer.config.compose import compose

    return compose(overrides, config_file=config_file, profiles_dir=profiles_dir)


def _base(against: str, profiles_dir: Path | None, runs_dir: Path) -> Composed:
    """Read `--against`: a run, a resolved config, or profiles and overrides apart by blanks."""
    from trainer.config.compose import load_run, side
    from trainer.runs.index import find

    words = against.split()
    if len(words) == 1 and "=" not in against:
        try:
            return load_run(find(runs_dir, against).path)
        except RunError:
            # No run is called so: it is a profile then, or the message names the nearest one.
            pass
    base = side(words, profiles_dir=profiles_dir)
    if base.problems:
        raise ConfigError(*base.problems)
    return base
