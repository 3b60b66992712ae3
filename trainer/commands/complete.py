"""Shell completion: runs, groups, options, keys. It never fails aloud and never imports much."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

BASH = """\
_traindeck_completion() {
    # The words as typed: bash itself breaks them at '=' and ':'.
    local line=${COMP_LINE:0:COMP_POINT} words word reply
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[${#words[@]}-1]}
    COMPREPLY=()
    while IFS=, read -r _ reply; do
        # What stands before the last break is on the line already.
        COMPREPLY+=("${reply#"${word%"${word##*[=:]}"}"}")
        [[ $reply == *[=.] ]] && compopt -o nospace
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) \\
        _TRAINDECK_COMPLETE=bash_complete "$1")
}
complete -o nosort -F _traindeck_completion traindeck
"""
"""Completion for bash; click's own loses what stands before an `=`."""

if TYPE_CHECKING:
    from collections.abc import Mapping


def candidates(kind: str, incomplete: str, params: Mapping[str, Any]) -> list[str]:
    """Give what may stand at this place of the command line.

    Args:
        kind: "overrides", "run", "sweep", "runs or words", "state", "group", "profile" or "key".
        incomplete: What has been typed of the word.
        params: The options typed so far.
    """
    try:
        if kind == "run":
            words = _runs(params)
        elif kind == "sweep":
            words = _sweeps(params)
        elif kind == "runs or words":
            words = [*_runs(params), *_overrides(incomplete, params)]
        elif kind == "state":
            from trainer.runs.status import State

            words = [str(state) for state in State]
        elif kind == "profile":
            from trainer.config.sources import list_groups

            words = [f"{group}/" for group in list_groups(params.get("profiles_dir"))]
        elif kind == "group":
            from trainer.config.sources import list_groups

            words = list_groups(params.get("profiles_dir"))
        elif kind == "key":
            words = _keys()
        else:
            words = _overrides(incomplete, params)
    except Exception:
        # Completion runs while somebody types: a broken profile must not print a traceback there.
        return []
    return sorted({word for word in words if word.startswith(incomplete)})


def _keys() -> list[str]:
    from trainer.config.schema import fields

    return list(fields())


def _runs(params: Mapping[str, Any]) -> list[str]:
    from trainer.runs.index import RunIndex

    folder = params.get("runs_dir") or Path("runs")
    return ["last", *(summary.id for summary in RunIndex(folder).list())]


def _sweeps(params: Mapping[str, Any]) -> list[str]:
    from trainer.sweeps.folder import list_sweeps

    folders = list_sweeps(params.get("runs_dir") or Path("runs"))
    return ["last", *(folder.name.rpartition("-")[2] for folder in folders)]


def _overrides(incomplete: str, params: Mapping[str, Any]) -> list[str]:
    from trainer.config.complete import suggestions
    from trainer.config.sources import list_groups, list_options
    from trainer.config.values import known_keys

    folder, own = params.get("profiles_dir"), params.get("config_file")
    groups = {
        group: list_options(group, folder, config_file=own)
        for group in list_groups(folder, config_file=own)
    }
    return [found.text for found in suggestions(incomplete, groups, known_keys())]
