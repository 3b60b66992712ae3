"""Going on with a run that ran out of memory: what to turn down, to be looked at and changed first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.events.text import clean
from trainer.runs.layout import RunFolder
from trainer.runs.status import State, read_status
from tui.context import Context


@dataclass(frozen=True)
class Smaller:
    """What is known of such a run.

    Attributes:
        run: The run folder.
        name: What people call it; harmless text.
        checkpoint: The file that it goes on from; empty if there is none.
        settings: Overrides with which it takes less.
        words: All overrides to train it anew with.
        lines: What the person should know, a line each.
    """

    run: RunFolder
    name: str
    checkpoint: str
    settings: tuple[str, ...]
    words: tuple[str, ...]
    lines: tuple[str, ...]


def look(run: RunFolder) -> Smaller | None:
    """Look what a run could be turned down to; reads its files, so for a thread.

    Returns:
        None if it did not run out of memory, is of another program, or nothing is known to help.
    """
    from trainer.config.hardware_advice import less_memory, words_of
    from trainer.runs import plan
    from trainer.runs.again import config_of
    from trainer.runs.manage import find_checkpoint
    from tui.screens.launch.clamping import value_at
    from tui.screens.launch.draft import Draft

    config, identity = config_of(run), run.identity()
    if read_status(run).state != State.OUT_OF_MEMORY or identity.get("launcher") == "script":
        return None
    settings, further = less_memory(config) if config is not None else ({}, "")
    if config is None or not settings:
        return None
    checkpoint = find_checkpoint(run)
    draft = Draft(tuple(plan.words_of(run)))
    for word in words_of(settings):
        draft = draft.put(word)
    changes = (
        f"  {key}  {plan.text_of(value_at(config, key))} → {plan.text_of(value)}"
        for key, value in settings.items()
    )
    lines = ["It ran out of memory. These overrides take less, change them as you like:", *changes]
    lines += [clean(f"Further: {further}.")] if further else []
    if checkpoint is not None:
        lines.append(
            f"A new run goes on from {clean(checkpoint.name)}. Empty: this one goes on as it was."
        )
    name = clean(str(identity.get("name") or run.id))
    return Smaller(
        run,
        name,
        checkpoint.name if checkpoint is not None else "",
        tuple(words_of(settings)),
        draft.words,
        tuple(lines),
    )


def command(found: Smaller, line: str) -> list[str]:
    """Give the command that resumes it so.

    Args:
        found: What is known of the run.
        line: The overrides, as they stand on a line.
    """
    from tui.screens.launch.draft import words_on

    path = found.run.path.absolute()
    words = ["traindeck", "resume", str(path), *words_on(line)]
    return [*words, "--runs-dir", str(path.parent.parent), "--detach", "--json"]


def resume(found: Smaller, line: str, context: Context) -> tuple[Path | None, str]:
    """Resume it with overrides; waits for its supervisor, so for a thread.

    Args:
        found: What is known of the run.
        line: The overrides.
        context: Where the person stands.

    Returns:
        The new run's folder, or None and why not.
    """
    from tui.screens.sweep import deeds

    done = deeds.run(command(found, line), context.cwd)
    return done.path, done.problem or done.said
