"""Over plain profiles our composer gives exactly what Hydra gives, types included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

import profiles
from trainer.config.interpolate import has_interpolation, resolve
from trainer.config.overrides import parse_all
from trainer.config.sources import Source, Sources
from trainer.config.tree import Tree, build

GROUPS = ("a", "b", "b/c", "preset")
OPTIONS = ("x", "y", "z")
KEYS = ("k", "n", "s")
PATHS = (
    "k",
    "s.k",
    "s.n",
    "a.k",
    "a.s",
    "a.s.k",
    "b.k",
    "b.c.k",
    "b.c.s.n",
    "b.l.0",
    "new.deep.key",
)

FLAVOURS = ("packages", "lists", "files", "optional", "interpolated", "references", "overrides")
"""What is unusual in a tree: two of these at most, since Hydra refuses most trees that have all."""

plain_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**12),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from(["word", "", "1e-3", "2e-4", "null", "on", "2026-01-01", "a b", "é", "'", "~"]),
    st.just("???"),
)
references = st.sampled_from(
    ["${k}", "${n}", "${a.k}", "${.k}", "${..k}", "<${n}>", "${oc.select:zz,3}", "${b}", "${b.c}"]
)
options = st.sampled_from(OPTIONS)


def contents(flavours: set[str]) -> st.SearchStrategy[dict[str, Any]]:
    scalars = st.one_of(plain_scalars, references) if "references" in flavours else plain_scalars
    values = st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
        ),
        max_leaves=5,
    )
    sections = st.dictionaries(st.sampled_from(KEYS), values, max_size=3)
    return st.fixed_dictionaries(
        {}, optional={"k": scalars, "n": scalars, "s": sections, "l": st.lists(values, max_size=3)}
    )


@st.composite
def entries(draw: st.DrawFn, group: str | None, target: str, flavours: set[str]) -> Any:
    kinds = [
        flavour for flavour in ("lists", "files", "optional", "interpolated") if flavour in flavours
    ]
    kind = draw(st.sampled_from(["plain", *kinds]))
    name, package = target, ""
    if group is not None:
        below = target.startswith(f"{group}/")
        name = target.removeprefix(f"{group}/") if below else f"/{target}"
    if "packages" in flavours:
        package = draw(st.sampled_from(["", "@_global_", "@_here_", "@s", "@a.s", "@_group_"]))
    if kind == "files":
        return f"{name}/{draw(options)}{package}"
    if kind == "lists":
        return {f"{name}{package}": draw(st.lists(options, max_size=2, unique=True))}
    if kind == "optional":
        wanted = draw(st.sampled_from([*OPTIONS, "nowhere", None]))
        return {f"optional {name}{package}": wanted}
    if kind == "interpolated" and target != "a" and group is None:
        return {name: "${a}"}
    return {f"{name}{package}": draw(options)}


@st.composite
def files(draw: st.DrawFn, group: str | None, flavours: set[str]) -> str:
    content = draw(contents(flavours))
    # A group's files refer to later groups only: circles are a test of their own.
    later = () if group is None else GROUPS[GROUPS.index(group) + 1 :]
    targets = list(GROUPS)
    if group is not None:
        # What the primary file lists besides must not be chosen twice: it goes elsewhere.
        targets = [draw(st.sampled_from(later))] if later and draw(st.integers(0, 4)) == 0 else []
    listed = [draw(entries(group, target, flavours)) for target in targets]
    if group is not None:
        listed = [{f"{next(iter(e)).split('@')[0]}@inner": v for v in e.values()}
                  if isinstance(e, dict) else e for e in listed]  # fmt: skip
    if listed:
        own = draw(st.sampled_from(["none", "first", "last", "middle"]))
        if own != "none":
            listed.insert({"first": 0, "last": len(listed), "middle": 1}[own], "_self_")
    if group == "preset" and "overrides" in flavours:
        listed.append({f"override /{draw(st.sampled_from(GROUPS[:3]))}": draw(options)})
    if listed:
        content = {"defaults": listed, **content}
    header = ""
    if group and "packages" in flavours:
        package = draw(st.sampled_from(["", "", "_global_", "a", "a.s", "b.c"]))
        header = f"# @package {package}\n" if package else ""
    return header + yaml.safe_dump(content, sort_keys=False)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str]:
    flavours = draw(st.sets(st.sampled_from(FLAVOURS), max_size=2))
    tree = {"config.yaml": draw(files(None, flavours))}
    for group in GROUPS:
        for option in OPTIONS:
            tree[f"{group}/{option}.yaml"] = draw(files(group, flavours))
    return tree


override_values = st.sampled_from(
    ["1", "-2.5", "1e-3", "true", "null", "word", "'quoted, text'", '"a b"', "[1,2]", "{k:1,n:[x]}",
     "{}", "[]", "", "a\\,b", "${k}", "${s.n}", "???", "1_000", "0x1", "16-mixed", "/tmp/x.y", "[{k:1}]"]
)  # fmt: skip
settings_of_values = st.one_of(
    st.builds(lambda key, value: f"{key}={value}", st.sampled_from(PATHS), override_values),
    st.builds(lambda key: f"~{key}", st.sampled_from(["k", "s", "a.k"])),
)
choices_of_options = st.one_of(
    st.builds(lambda group, option: f"{group}={option}", st.sampled_from(GROUPS), options),
    st.builds(lambda group: f"{group}=[x,y]", st.sampled_from(GROUPS[:3])),
    st.builds(lambda group: f"~{group}", st.sampled_from(GROUPS)),
    st.builds(lambda group, option: f"+{group}@more={option}", st.sampled_from(GROUPS), options),
    st.builds(lambda group, option: f"~{group}={option}", st.sampled_from(GROUPS), options),
)
override_lists = st.builds(
    lambda first, second: [*first, *second],
    st.lists(choices_of_options, max_size=2, unique_by=lambda text: text.split("=")[0].strip("~+")),
    st.lists(settings_of_values, max_size=3),
)


def for_hydra(override: str) -> str:
    """Our `k=v` is Hydra's `++k=v`: neither asks whether the key was there."""
    key = override.split("=")[0]
    if key.startswith(("~", "+")) or key.split("@")[0] in GROUPS:
        return override
    return f"++{override}"


def by_hydra(folder: Path, overrides: list[str]) -> Any:
    """Compose with Hydra; its exception stands for a failure."""
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(folder), version_base="1.3"):
            config = hydra.compose("config", [for_hydra(override) for override in overrides])
        return OmegaConf.to_container(config, resolve=True)
    except (Exception, RecursionError) as error:
        return error


def by_us(folder: Path, overrides: list[str]) -> Any:
    """Compose with ours; its problems stand for a failure."""
    parsed, problems = parse_all(overrides)
    tree: Tree = build(Sources((Source("built-in", str(folder), ""),)), parsed)
    problems += tree.problems
    config = tree.config
    if not problems and has_interpolation(config):
        config, problems = resolve(config, lambda key: key)
    return problems or config


def write(folder: Path, tree: dict[str, str]) -> Path:
    for name, text in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


UNHURRIED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


def exact(value: Any) -> Any:
    """Make values comparable with their types and the order of keys in view."""
    if isinstance(value, dict):
        return {key: exact(below) for key, below in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return type(value), repr(value)


def compare(folder: Path, tree: dict[str, str], overrides: list[str]) -> None:
    write(folder, tree)
    expected = by_hydra(folder, overrides)
    if isinstance(expected, BaseException):
        event("Hydra fails")
        return
    event("Hydra composes")
    result = by_us(folder, overrides)
    assert isinstance(result, dict), [str(problem) for problem in result]
    assert exact(result) == exact(expected)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=UNHURRIED)
@given(tree=trees(), overrides=override_lists)
@pytest.mark.filterwarnings("ignore")
def test_random_trees_compose_as_hydra_composes_them(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, str], overrides: list[str]
) -> None:
    compare(tmp_path_factory.mktemp("tree"), tree, overrides)


@pytest.mark.slow
@settings(max_examples=250, deadline=None, suppress_health_check=UNHURRIED)
@given(tree=trees(), overrides=override_lists)
@pytest.mark.filterwarnings("ignore")
def test_many_random_trees_compose_as_hydra_composes_them(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, str], overrides: list[str]
) -> None:
    compare(tmp_path_factory.mktemp("tree"), tree, overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["preset=quickstart", "trainer.max_epochs=3"],
        ["trainer=kaggle_safe", "optimizer=sgd", "model=gpt_small", "optimizer.config.lr=3e-4"],
        ["trainer=ci_fast", "logger=csv", "scheduler=cosine", "data.name='a, b'", "~callbacks"],
        [
            "hardware=cloud-rtx-4090",
            "limits=kaggle",
            "+loss@eval_loss=next_token",
            "model={dim: 8}",
        ],
        ["preset=minimal_brain_gen", "trainer.callbacks=[{_target_: x.Y, k: ${data.name}}]"],
    ],
)
def test_the_built_in_profiles_compose_as_hydra_composes_them(overrides: list[str]) -> None:
    groups = {path.name for path in profiles.FOLDER.iterdir() if path.is_dir()}
    forced = [
        text
        if text[0] in "~+" or (text.split("=")[0] in groups and "={" not in text)
        else f"++{text}"
        for text in overrides
    ]
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(profiles.FOLDER), version_base="1.3"):
        expected = OmegaConf.to_container(hydra.compose("config", forced), resolve=True)
    result = by_us(profiles.FOLDER, overrides)
    assert isinstance(result, dict), [str(problem) for problem in result]
    assert exact(result) == exact(expected)
