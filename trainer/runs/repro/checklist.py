"""Whether a run can be repeated exactly: the checklist of 002, and what else that takes.

Everything is read from the run folder; a file that is missing or damaged is a point of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from trainer.config import spectra
from trainer.display import count, plural
from trainer.paths import at_home
from trainer.runs import environment, worktree
from trainer.runs.repro.facts import Facts, commit_of, files_of, mapping
from trainer.runs.status import read_status
from trainer.runs.values import printable

# Classes under these names come with packages, whose versions are locked.
_PACKAGED = (
    *("trainer.", "torch.", "pytorch_lightning.", "lightning."),
    *("torchmetrics.", "transformers.", "peft."),
)


class Mark(StrEnum):
    """How it stands with a point."""

    OK = "ok"
    MISSING = "not ok"
    NONE = "does not apply"


@dataclass(frozen=True)
class Point:
    """One point of the list.

    Attributes:
        key: A short name that stays the same, for programs.
        title: What is asked.
        mark: How it stands.
        words: What was found.
        remedy: How to mend it; empty if there is nothing to mend.
    """

    key: str
    title: str
    mark: Mark
    words: str
    remedy: str = ""


def points(facts: Facts) -> list[Point]:
    """Walk the list: first the five points of 002's checklist, then what else matters."""
    return [point(facts) for point in (*_CHECKLIST, *_FURTHER)]


# ── the checklist ────────────────────────────────────────────────────────────────────────────


def _seed(facts: Facts) -> Point:
    key, title = "seed", "the seed is fixed and recorded"
    seed = facts.config.get("seed")
    if facts.problem:
        return _no_config(key, title, facts)
    if isinstance(seed, int) and not isinstance(seed, bool):
        words = f"{seed}, for all random generators, those of loader workers included"
        return Point(key, title, Mark.OK, words)
    if facts.run is None:
        words = "none is given: the launch draws one and writes it into config.yaml"
        return Point(key, title, Mark.OK, words)
    if facts.script:
        words = "a program of its own made the run, and how it seeds is not known"
        return Point(key, title, Mark.MISSING, words, "Launch it by `traindeck train`.")
    return Point(key, title, Mark.MISSING, "the run has none", "Train with seed=42.")


def _stft(facts: Facts) -> Point:
    key, title = "stft", "training and evaluation use the same STFT and pre_transform"
    if facts.problem:
        return _no_config(key, title, facts)
    training, evaluation = spectra.training(facts.config), spectra.evaluation(facts.config)
    transforms = spectra.pre_transforms(facts.config)
    wrong = [
        f"{clash.key} against {clash.other}: "
        + ", ".join(f"{name} {ours!r}, not {theirs!r}" for name, theirs, ours in clash.names)
        for clash in spectra.clashes(facts.config)
    ]
    first = next(iter(transforms.values()), None)
    wrong += [f"{name} is another one" for name, each in transforms.items() if each != first]
    if wrong:
        remedy = "Give them the same values; `${…}` can take one from the other."
        return Point(key, title, Mark.MISSING, printable("; ".join(wrong)), remedy)
    both = training and evaluation
    if not both and len(transforms) < 2:
        side = "only training names" if training else "only evaluation names"
        words = f"{side} STFT settings" if training or evaluation else "the config has no STFT"
        return Point(key, title, Mark.NONE, words)
    places = {s.key for s in (*training, *evaluation)} if both else set()
    compared = sorted(places | (set(transforms) if len(transforms) > 1 else set()))
    words = f"the same in {environment.several(compared)}"
    return Point(key, title, Mark.OK, printable(words))


def _config(facts: Facts) -> Point:
    key, title = "config", "the config lies beside the checkpoints"
    if facts.run is None:
        words = "config.yaml is written into the run folder, and to checkpoints that lie elsewhere"
        return Point(key, title, Mark.OK, words)
    if facts.problem:
        return _no_config(key, title, facts)
    from trainer.config.hashing import config_hash

    recorded = mapping(facts.summary.get("config")).get("hash")
    try:
        same = recorded is None or config_hash(facts.config) == recorded
    except TypeError:
        same = False
    if not same:
        words = "config.yaml is not the one that the run was launched with: its hash is another"
        return Point(key, title, Mark.MISSING, words, "Take the changes to config.yaml back.")
    place = facts.identity.get("checkpoint_dir")
    elsewhere = Path(place) if isinstance(place, str) and place else facts.run.checkpoints
    if facts.run.path.absolute() in elsewhere.absolute().parents:
        return Point(key, title, Mark.OK, "config.yaml, in the same run folder")
    beside = elsewhere / "config.yaml"
    try:
        if beside.read_bytes() == facts.run.config.read_bytes():
            return Point(key, title, Mark.OK, printable(f"{beside} too"))
        words = f"{beside} is another one than the run's"
    except OSError:
        words = f"the checkpoints lie in {elsewhere}, without a config"
    remedy = f"Copy it there: cp {facts.run.config} {elsewhere}"
    return Point(key, title, Mark.MISSING, printable(words), printable(remedy))


def _determinism(facts: Facts) -> Point:
    key, title = "determinism", "a distributed run uses deterministic algorithms"
    if facts.problem:
        return _no_config(key, title, facts)
    section = facts.part("trainer")
    strict = bool(section.get("strict_deterministic"))
    asked = strict or section.get("deterministic") is True
    saw = facts.seen[-1] if facts.seen else {}
    asked = asked or saw.get("deterministic") is True
    device, several = _device(section, saw), _several(section, saw)
    remedy = "Set trainer.deterministic=true: slower, and refused by a few operations."
    if asked and section.get("benchmark") is True and not strict and device != "cpu":
        words = "trainer.benchmark=true lets cuDNN choose its algorithms by timing them"
        return Point(key, title, Mark.MISSING, words, "Set trainer.benchmark=false.")
    if asked:
        name = "strict_deterministic" if strict else "deterministic"
        return Point(key, title, Mark.OK, f"trainer.{name} is set")
    if several:
        words = "several processes train together, and trainer.deterministic is not set"
        return Point(key, title, Mark.MISSING, words, remedy)
    if device == "cpu":
        words = "one process on the CPU; at a fixed number of threads it gives the same bits"
        return Point(key, title, Mark.NONE, words)
    words = "one process; on a GPU bit-equal losses need trainer.deterministic=true all the same"
    return Point(key, title, Mark.NONE, words)


def _environment(facts: Facts) -> Point:
    key, title = "environment", "the versions of the environment are locked"
    if facts.run is None:
        words = "environment.json and requirements.lock are written at the launch"
        return Point(key, title, Mark.OK, words)
    packages = mapping(facts.locked.get("packages"))
    again = f"Repeat it with this version: traindeck rerun {facts.run.called()}"
    if not packages:
        words = "environment.json is missing or cannot be read"
        return Point(key, title, Mark.MISSING, words, "" if facts.script else again)
    recorded = mapping(facts.summary.get("environment")).get("hash")
    if recorded is not None and facts.locked.get("hash") != recorded:
        words = "environment.json is not the one that the run was launched with"
        return Point(key, title, Mark.MISSING, words, again)
    for entry in facts.seen:
        differs = entry.get("differs")
        if isinstance(differs, list) and differs:
            which = entry.get("attempts")
            named = ", ".join(map(str, which)) if isinstance(which, list) else "one"
            words = f"attempt {named} ran in another one: {environment.several(map(str, differs))}"
            remedy = "Resume and start runs in the environment that they were launched in."
            return Point(key, title, Mark.MISSING, printable(words), remedy)
    if not facts.run.requirements.is_file():
        return Point(key, title, Mark.MISSING, "requirements.lock is missing", again)
    torch = mapping(packages.get("torch")).get("version", "unknown")
    words = f"Python {facts.locked.get('python')}, torch {torch}, {count(len(packages))} packages"
    gpus = facts.seen[-1].get("gpus") if facts.seen else None
    if isinstance(gpus, list) and gpus:
        words += f", {mapping(gpus[0]).get('name')}, driver {facts.seen[-1].get('driver')}"
    return Point(key, title, Mark.OK, printable(f"{words}, with hashes"))


# ── what else matters ────────────────────────────────────────────────────────────────────────


def _code(facts: Facts) -> Point:
    key, title = "code", "the code can be had again"
    if facts.run is None:
        state = worktree.state(Path.cwd())
        if state is None:
            return _outside_git(key, title, facts)
        words = f"{commit_of(state)}; the launch keeps what no commit holds in code.patch"
        return Point(key, title, Mark.OK, words)
    code = mapping(facts.summary.get("code"))
    if not code:
        if facts.script:
            words = "a program of its own made the run, and its code is not known"
            return Point(key, title, Mark.MISSING, words, "Launch it by `traindeck train`.")
        words = "the file of hashes is missing or cannot be read"
        return Point(key, title, Mark.MISSING, words, "Repeat the run: it writes a new one.")
    project = code.get("project")
    if not isinstance(project, Mapping):
        return _outside_git(key, title, facts)
    if not project.get("dirty"):
        return Point(key, title, Mark.OK, commit_of(project))
    patch = mapping(code.get("patch"))
    if patch.get("file") and facts.run.code_patch.is_file():
        words = f"{commit_of(project)}, which lie in code.patch"
        return Point(key, title, Mark.OK, words)
    why = patch.get("why") or "code.patch is missing"
    words = f"{commit_of(project)}, which were not kept: {why}"
    return Point(key, title, Mark.MISSING, printable(words), "Commit changes before a launch.")


def _data(facts: Facts) -> Point:
    key, title = "data", "the data are known by their hash"
    root = facts.part("data").get("root")
    if facts.problem:
        return _no_config(key, title, facts)
    if not isinstance(root, str) or not root:
        words = "the config names no data.root; what the recipe finds elsewhere is not looked at"
        return Point(key, title, Mark.NONE, words)
    if facts.run is None:
        found = at_home(root).exists()
        words = "data.root is looked through at the launch" if found else f"{root} does not exist"
        mark = Mark.OK if found else Mark.MISSING
        return Point(key, title, mark, printable(words), "" if found else "Set data.root.")
    manifest = mapping(facts.summary.get("data"))
    if manifest.get("hash"):
        return Point(key, title, Mark.OK, files_of(manifest))
    words = "data.root did not exist at the launch, or the file of hashes is missing"
    return Point(key, title, Mark.MISSING, words, "Launch where the data lie already.")


def _threads(facts: Facts) -> Point:
    key, title = "threads", "the number of threads is fixed"
    threads = facts.part("run").get("num_threads")
    if facts.problem:
        return _no_config(key, title, facts)
    saw = facts.seen[-1].get("threads") if facts.seen else None
    if threads is None and facts.run is None:
        words = "none is given: the launch counts cores and writes it into config.yaml"
        return Point(key, title, Mark.OK, words)
    if threads is None:
        words = "the last bits of every sum depend on it, and run.num_threads is not set"
        return Point(key, title, Mark.MISSING, words, "Set run.num_threads.")
    if saw is not None and saw != threads:
        words = f"run.num_threads is {threads}, and the training process had {saw}"
        remedy = "Let nothing else call torch.set_num_threads."
        return Point(key, title, Mark.MISSING, printable(words), remedy)
    return Point(key, title, Mark.OK, printable(f"{threads}"))


def _resume(facts: Facts) -> Point:
    key, title = "resume", "what it resumed from is exact"
    if facts.run is None:
        words = "checkpoints hold the position in the data and all random states"
        return Point(key, title, Mark.OK, words)
    begun = facts.part("run").get("resume")
    if isinstance(begun, str) and begun not in ("", "never", "auto"):
        here = (facts.run.path / begun, Path(str(facts.identity.get("cwd") or ".")) / begun)
        if not any(path.is_file() for path in here):
            words = printable(f"the checkpoint that it began from is gone: {begun}")
            remedy = "Keep the checkpoints that other runs began from."
            return Point(key, title, Mark.MISSING, words, remedy)
        return Point(key, title, Mark.OK, printable(f"it began from {begun}"))
    attempts = read_status(facts.run).attempt or 1
    if attempts <= 1:
        return Point(key, title, Mark.NONE, "it was never resumed")
    words = f"{plural(attempts, 'attempt')}: a resumed run goes on bit for bit as an unbroken one"
    return Point(key, title, Mark.OK, words)


def _no_config(key: str, title: str, facts: Facts) -> Point:
    remedy = "" if facts.script else "Repeat the run from another folder, or restore the file."
    return Point(key, title, Mark.MISSING, facts.problem, remedy)


def _outside_git(key: str, title: str, facts: Facts) -> Point:
    own = sorted({name for name in _targets(facts.config) if not name.startswith(_PACKAGED)})
    if not own:
        words = "no code of your own takes part; traindeck's is known by its hash"
        return Point(key, title, Mark.NONE, words)
    words = printable(f"{environment.several(own)}: its code lies in no git repository")
    return Point(key, title, Mark.MISSING, words, "Put it under version control: git init.")


def _targets(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            if name == "_target_" and isinstance(below, str):
                yield below
            else:
                yield from _targets(below)
    elif isinstance(value, list):
        for item in value:
            yield from _targets(item)


def _device(section: Mapping[str, Any], saw: Mapping[str, Any]) -> str:
    told = saw.get("device") or section.get("accelerator")
    return str(told) if told else "auto"


def _several(section: Mapping[str, Any], saw: Mapping[str, Any]) -> bool:
    """Tell whether more than one process trains, by what was seen or else by the config."""
    if isinstance(saw.get("world_size"), int):
        return bool(saw["world_size"] > 1)
    nodes, devices = section.get("num_nodes"), section.get("devices")
    if isinstance(devices, str) and devices.isdecimal():
        devices = int(devices)
    many = len(devices) if isinstance(devices, list) else devices
    return (isinstance(nodes, int) and nodes > 1) or (isinstance(many, int) and many > 1)


_CHECKLIST: tuple[Callable[[Facts], Point], ...] = (
    _seed,
    _stft,
    _config,
    _determinism,
    _environment,
)
_FURTHER: tuple[Callable[[Facts], Point], ...] = (_code, _data, _threads, _resume)
