"""The filter language of the list of runs: `state:running loss<0.5 tag:abl -name:test`.

Words set apart by blanks must all hold. A word is `field:value` (with `,` for "or"), a comparison
such as `val/loss<=1`, or plain text that is looked for in the name. A `-` before it says "not".
Nothing typed here raises: what cannot be understood is told in `Filter.problem`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from trainer.errors import nearest
from trainer.runs.summary import RunSummary
from tui.screens.runs.fields import (
    ALIASES,
    GROUPS,
    NUMBERS,
    STATES,
    TEXTS,
    Getter,
    metric_getter,
    parse_number,
)

#: Says whether a run fits, given the time in unix seconds.
Test = Callable[[RunSummary, float], bool]

_WORD = re.compile(r"(-?)([A-Za-z_][\w./-]*)(!=|<=|>=|:|=|<|>)(.*)", re.DOTALL)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_SOME_FIELDS = "state, name, tag, preset, host, step, loss, val/loss, rate, eta, age"
_MOST_CHARACTERS = 1000


class _Wrong(Exception):
    """A word that cannot be understood; the message is for the person."""


@dataclass(frozen=True)
class Filter:
    """What a person typed, understood.

    Attributes:
        text: As typed.
        tests: All of them must hold.
        words: Plain words, in small letters, looked for in the name.
        problem: What cannot be understood; empty if all can.
    """

    text: str = ""
    tests: tuple[Test, ...] = ()
    words: tuple[str, ...] = ()
    problem: str = ""

    def __bool__(self) -> bool:
        return bool(self.tests or self.words)

    def apply(self, runs: Iterable[RunSummary], now: float) -> list[RunSummary]:
        """Give the runs that fit, in their order; with plain words the best match comes first.

        Args:
            runs: The runs.
            now: Unix seconds, for ages.
        """
        fitting = list(runs)
        for test in self.tests:
            fitting = [run for run in fitting if test(run, now)]
        if not self.words:
            return fitting
        scored: list[tuple[int, RunSummary]] = []
        for run in fitting:
            name, total = run.name.lower(), 0
            for word in self.words:
                points = _points(word, name, run)
                if not points:
                    break
                total += points
            else:
                scored.append((total, run))
        scored.sort(key=lambda pair: -pair[0])
        return [run for _, run in scored]


def parse(text: str, metrics: Iterable[str] = ()) -> Filter:
    """Understand a filter.

    Args:
        text: What the person typed.
        metrics: Names of the metrics that the runs have, for fields such as `val/loss`.

    Returns:
        The filter; with a `problem`, and no tests, if it cannot be understood.
    """
    known = frozenset(metrics)
    tests: list[Test] = []
    words: list[str] = []
    try:
        if len(text) > _MOST_CHARACTERS:
            raise _Wrong(f"a filter has at most {_MOST_CHARACTERS} characters")
        for word, plain in _split(text):
            match = None if plain else _WORD.fullmatch(word)
            if match is not None:
                negated, field, operator, value = match.groups()
                test = _test(field, operator, _unquoted(value), known)
                tests.append(_negate(test) if negated else test)
                continue
            bare = _unquoted(word)
            if not plain and len(bare) > 1 and bare.startswith("-"):
                tests.append(_negate(_name_holds(bare[1:])))
            elif not plain and word[0] in "<>=:!":
                raise _Wrong(
                    f"'{word}' names no field; write, for example, loss{_operator(word)}0.5"
                )
            elif bare and bare != "-":
                words.append(bare.lower())
    except _Wrong as wrong:
        return Filter(text, problem=str(wrong))
    return Filter(text, tuple(tests), tuple(words))


def _operator(word: str) -> str:
    return word[0] if word[0] in "<>" else "<"


def _split(text: str) -> list[tuple[str, bool]]:
    """Cut at blanks outside quotes; tells of each word whether it begins with a quote."""
    words: list[tuple[str, bool]] = []
    current, quote, began = "", "", False
    for char in text:
        if quote:
            current += char
            if char == quote:
                quote = ""
        elif char in "\"'" and (not current or current[-1] in ":=<>,-\"'"):
            began = began or not current
            quote = char
            current += char
        elif char.isspace():
            if current:
                words.append((current, began))
            current, began = "", False
        else:
            current += char
    if quote:
        raise _Wrong(f"the quote {quote} is not closed")
    if current:
        words.append((current, began))
    return words


def _unquoted(text: str) -> str:
    return text.replace('"', "").replace("'", "") if _quoted(text) else text


def _quoted(text: str) -> bool:
    return re.search(r"(^|[,:=<>-])[\"']", text) is not None


def _negate(test: Test) -> Test:
    return lambda run, now: not test(run, now)


def _name_holds(word: str) -> Test:
    wanted = word.lower()
    return lambda run, _now: wanted in run.name.lower()


def _test(field: str, operator: str, value: str, metrics: frozenset[str]) -> Test:
    """Make the test of one word."""
    name = ALIASES.get(field.lower(), field)
    lower = name.lower()
    if lower == "state":
        return _state_test(operator, value)
    if lower in TEXTS:
        return _text_test(lower, operator, value)
    if lower in NUMBERS:
        return _number_test(field, operator, value, NUMBERS[lower])
    if name in metrics or "/" in name:
        test = _number_test(field, operator, value, (metric_getter(name), "number", "0.5"))
        if metrics and name not in metrics:
            hint = nearest(name, metrics) or "The metrics are those of the list's runs."
            raise _Wrong(f"no run here has a metric '{field}'. {hint}")
        return test
    fields = ["state", *TEXTS, *NUMBERS, *ALIASES, *metrics]
    hint = nearest(field, fields) or f"Some are {_SOME_FIELDS}."
    raise _Wrong(f"there is no field '{field}'. {hint}")


def _values(field: str, value: str, example: str) -> list[str]:
    values = [part.strip() for part in value.split(",") if part.strip()]
    if not values:
        raise _Wrong(f"{field} needs a value, as in {example}")
    return values


def _state_test(operator: str, value: str) -> Test:
    example = "state:running or state:failed,lost"
    if operator not in (":", "=", "!="):
        raise _Wrong(f"a state cannot be compared with {operator}; write {example}")
    wanted: set[str] = set()
    for part in _values("state", value, example):
        word = part.lower().replace(" ", "_").replace("-", "_")
        found = GROUPS.get(word) or {state for state in STATES if state.startswith(word)}
        if not found:
            hint = nearest(word, [*STATES, *GROUPS]) or f"States: {', '.join(STATES)}."
            raise _Wrong(f"there is no state '{part}'. {hint}")
        wanted |= found
    if operator == "!=":
        return lambda run, _now: run.state not in wanted
    return lambda run, _now: run.state in wanted


def _text_test(field: str, operator: str, value: str) -> Test:
    example = f"{field}:{TEXTS[field][1]}"
    if operator not in (":", "=", "!="):
        raise _Wrong(f"{field} is text and cannot be compared with {operator}; write {example}")
    get = TEXTS[field][0]
    wanted = [part.lower() for part in _values(field, value, example)]
    if operator == ":":
        return lambda run, _now: any(
            word in text for text in map(str.lower, get(run)) for word in wanted
        )
    exact = frozenset(wanted)
    if operator == "=":
        return lambda run, _now: any(text.lower() in exact for text in get(run))
    return lambda run, _now: all(text.lower() not in exact for text in get(run))


def _number_test(
    field: str,
    operator: str,
    value: str,
    number: tuple[Getter, str, str],
) -> Test:
    get, kind, example = number
    shown = f"{field}{operator}{example}"
    parts = _values(field, value, shown)
    if operator in _COMPARE:
        if len(parts) > 1:
            raise _Wrong(f"{operator} takes one value, not {len(parts)}; write {shown}")
        limit, compare = _number(parts[0], kind, shown), _COMPARE[operator]
        return lambda run, now: (found := get(run, now)) is not None and compare(found, limit)
    ranges: list[tuple[float, float]] = []
    for part in parts:
        low, dots, high = part.partition("..")
        first = _number(low, kind, shown) if low or not dots else float("-inf")
        last = (_number(high, kind, shown) if high else float("inf")) if dots else first
        ranges.append((first, last))

    def holds(run: RunSummary, now: float) -> bool:
        found = get(run, now)
        if found is None:
            return False
        if math.isnan(found):
            return any(math.isnan(low) for low, _ in ranges)
        return any(low <= found <= high for low, high in ranges)

    if operator == "!=":
        return lambda run, now: get(run, now) is not None and not holds(run, now)
    return holds


def _number(text: str, kind: str, example: str) -> float:
    found = parse_number(text, kind)
    if found is None:
        what = "a duration" if kind == "duration" else "a number"
        raise _Wrong(f"'{text}' is not {what}; write, for example, {example}")
    return found


def _span(word: str, name: str) -> tuple[int, int] | None:
    """Find the letters of a word in order; where the first and behind the last lie."""
    end = -1
    for char in word:
        end = name.find(char, end + 1)
        if end < 0:
            return None
    begin = end + 1
    for char in reversed(word):
        begin = name.rfind(char, 0, begin)
    return begin, end + 1


def _points(word: str, name: str, run: RunSummary) -> int:
    """Tell how well a word fits a run; 0 if it does not."""
    place = name.find(word)
    if place == 0:
        return 5000 if name == word else 4000
    if place > 0:
        return 2000 if name[place - 1].isalnum() else 3000
    if run.id.lower().startswith(word):
        return 2500
    span = _span(word, name)
    if span is None:
        return 0
    begin, end = span
    return max(1, 1000 - 10 * (end - begin - len(word)) - min(begin, 99))
