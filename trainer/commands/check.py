"""`traindeck check repro`: can a run be repeated to the last bit, and are two runs the same?"""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.output import json_line, line, note
from trainer.errors import EXIT_FAILED, EXIT_OK, ConfigError, Problem, RunError, nearest
from trainer.events.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.runs.layout import RunFolder
    from trainer.runs.repro.checklist import Point
    from trainer.runs.repro.compare import Outcome
    from trainer.runs.repro.facts import Facts

_WIDEST = 100


def repro(
    *,
    words: tuple[str, ...],
    runs_dir: Path,
    config_file: Path | None,
    profiles_dir: Path | None,
    verify: bool,
    steps: int,
    as_json: bool,
) -> int:
    """Check a run, two runs or a config; see `traindeck check repro --help`."""
    runs = _runs(words, runs_dir)
    if verify and len(runs) != 1:
        raise RunError(
            Problem("one run can be repeated, not two, and no config.", "--verify", "Name a run.")
        )
    if len(runs) == 1:
        return _one(runs[0], as_json, steps if verify else 0)
    if len(runs) == 2:
        return _two(runs[0], runs[1], as_json)
    return _config(words, runs_dir, config_file, profiles_dir, as_json)


def _runs(words: Sequence[str], runs_dir: Path) -> list[RunFolder]:
    """Find the runs that the words name; none if they describe a config.

    Raises:
        RunError: Some name runs and others do not, or there are more than two.
    """
    from trainer.runs.index import find

    if any("=" in word or word.startswith("~") for word in words):
        return []
    found, missed = [], None
    for word in words:
        try:
            found.append(find(runs_dir, word))
        except RunError as error:
            if "fits" in error.problems[0].what:  # several runs begin so
                raise
            missed = error
    if found and missed is not None:
        raise missed
    if len(found) > 2:
        raise RunError(
            Problem(f"{len(found)} runs are named, and two can be compared.", remedy="Name two.")
        )
    if len(found) == 2 and found[0].path == found[1].path:
        raise RunError(
            Problem(
                f"'{words[0]}' and '{words[1]}' are the same run, {found[0].id}.",
                remedy="A name means the newest run of that name; ids are in: traindeck runs",
            )
        )
    return found


def _config(
    words: tuple[str, ...],
    runs_dir: Path,
    config_file: Path | None,
    profiles_dir: Path | None,
    as_json: bool,
) -> int:
    from trainer.config.compose import compose
    from trainer.runs.index import RunIndex
    from trainer.runs.repro.checklist import points
    from trainer.runs.repro.facts import Facts

    try:
        composed = compose(words, config_file=config_file, profiles_dir=profiles_dir)
    except ConfigError as error:
        if len(words) != 1 or "=" in words[0]:
            raise
        known = {word for run in RunIndex(runs_dir).list()[:2000] for word in (run.id, run.name)}
        first = error.problems[0]
        remedy = nearest(words[0], known) or first.remedy
        what = f"no run in {runs_dir} is called '{words[0]}', and as a config: {first.what}"
        raise ConfigError(Problem(what, first.where, remedy, first.key)) from None
    found = points(Facts(composed.config))
    if as_json:
        json_line({"kind": "config", "hash": composed.hash, **_rows(found)})
    else:
        line("reproducibility of what would be launched")
        _print(found)
    return _code(found)


def _one(run: RunFolder, as_json: bool, steps: int) -> int:
    from trainer.runs.repro.checklist import points
    from trainer.runs.repro.facts import changed_since, facts_of

    facts = facts_of(run)
    found = points(facts)
    changed = changed_since(facts)
    if not as_json:
        line(f"reproducibility of run {run.id}  {facts.identity.get('name', '')}".rstrip())
        _print(found)
        line()
        if changed:
            line("a repetition here and now would differ in")
            for text in changed:
                _wrapped(text, "  ")
        else:
            line("a repetition here and now has the same environment, code and data")
    code = _code(found)
    told: dict[str, Any] = {"kind": "run", **_name(facts), **_rows(found), "changed": changed}
    if steps:
        told["verify"], code = _verify(run, steps, as_json, code)
    if as_json:
        json_line(told)
    return code


def _verify(run: RunFolder, steps: int, as_json: bool, code: int) -> tuple[dict[str, Any], int]:
    from trainer.runs.again import need_training_packages, ours
    from trainer.runs.repro.compare import outcome_words
    from trainer.runs.repro.verify import verify

    ours(run)
    need_training_packages()
    if not as_json:
        line()
    result = verify(run, steps, said=note)
    if not as_json:
        line(f"repeated: {result.trouble or outcome_words(result.outcome)}")
        if result.folder is not None:
            line(f"  its folder is kept: {result.folder}")
    told = {
        **_outcome(result.outcome),
        "trouble": result.trouble,
        "folder": str(result.folder) if result.folder else None,
    }
    return told, code if result.outcome.equal and not result.trouble else EXIT_FAILED


def _two(one: RunFolder, other: RunFolder, as_json: bool) -> int:
    from trainer.runs.repro.compare import compare_figures, compare_parts, outcome_words
    from trainer.runs.repro.facts import facts_of

    first, second = facts_of(one), facts_of(other)
    parts = compare_parts(first, second)
    outcome = compare_figures(one, other)
    if as_json:
        json_line(
            {
                "kind": "runs",
                "a": _name(first),
                "b": _name(second),
                "parts": [asdict(part) for part in parts],
                "figures": _outcome(outcome),
            }
        )
    else:
        line(f"{one.id} and {other.id}")
        marks = {True: "the same", False: "differs", None: "not known"}
        for part in parts:
            _wrapped(f"{part.name:<13}{marks[part.same]:<11}{part.words}", "  ", 26)
        mark = "the same" if outcome.equal else "differ" if outcome.steps else "not known"
        _wrapped(f"{'figures':<13}{mark:<11}{outcome_words(outcome)}", "  ", 26)
    return EXIT_OK if outcome.equal else EXIT_FAILED


def _print(found: Sequence[Point]) -> None:
    for number, point in enumerate(found, 1):
        line(f"  {point.mark!s:<16}{number} {point.title}")
        _wrapped(clean(point.words), " " * 20)
        if point.remedy:
            _wrapped(f"→ {clean(point.remedy)}", " " * 20)


def _wrapped(text: str, indent: str, hanging: int | None = None) -> None:
    """Print a text in lines that fit the terminal; a path in it stays in one piece."""
    width = min(_WIDEST, max(60, shutil.get_terminal_size().columns))
    for part in textwrap.wrap(
        clean(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else " " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    ):
        line(part.rstrip())


def _code(found: Sequence[Point]) -> int:
    from trainer.runs.repro.checklist import Mark

    return EXIT_FAILED if any(point.mark == Mark.MISSING for point in found) else EXIT_OK


def _rows(found: Sequence[Point]) -> dict[str, Any]:
    return {"ok": _code(found) == EXIT_OK, "points": [asdict(point) for point in found]}


def _name(facts: Facts) -> dict[str, Any]:
    assert facts.run is not None
    return {
        "id": facts.run.id,
        "name": facts.identity.get("name"),
        "path": str(facts.run.path),
        "hash": facts.summary.get("hash"),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {"equal": outcome.equal, **asdict(outcome)}
