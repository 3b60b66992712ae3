"""Composition over small trees: defaults lists, deletions, lists by name, fallbacks, circles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.config import hydra_oracle
from trainer.config.interpolate import missing, resolve
from trainer.config.overrides import parse_all
from trainer.config.provenance import flatten
from trainer.config.sources import Source, Sources
from trainer.config.tree import Tree, build

Write = Callable[[Path, dict[str, str]], Path]

SMALL = {
    "config.yaml": """
        defaults:
          - _self_
          - hardware: cpu
          - trainer: defaults
          - preset: null
        seed: 1
    """,
    "hardware/cpu.yaml": "device: cpu\n",
    "hardware/gpu.yaml": "device: cuda\n",
    "trainer/defaults.yaml": """
        epochs: 50
        rules:
          - name: lensing
            weight: 1.0
          - name: fingerprint
            weight: 2.0
    """,
    "trainer/ci_fast.yaml": "defaults: [defaults]\nepochs: 2\n",
    "preset/quick.yaml": """
        # @package _global_
        defaults:
          - override /trainer: ci_fast
        seed: 7
    """,
}


@pytest.fixture
def small(tmp_path: Path, write: Write) -> Path:
    return write(tmp_path / "tree", SMALL)


def composed(folder: Path, *overrides: str) -> Tree:
    parsed, problems = parse_all(overrides)
    tree = build(Sources((Source("built-in", str(folder), ""),)), parsed)
    tree.problems[:0] = problems
    return tree


def origins(tree: Tree) -> dict[str, str]:
    return {key: str(origin) for key, origin in flatten(tree.config, tree.origins).items()}


def said(tree: Tree) -> str:
    return "\n".join(str(problem) for problem in tree.problems)


def test_a_preset_chooses_options_and_overrides_win(small: Path) -> None:
    tree = composed(small, "quick", "trainer.epochs=9", "hardware=gpu")
    assert not tree.problems
    assert tree.choices == {"hardware": "gpu", "trainer": "ci_fast", "preset": "quick"}
    assert tree.config["seed"] == 7
    assert tree.config["trainer"]["epochs"] == 9
    assert tree.files[-1] == "preset/quick.yaml"
    assert origins(tree) == {
        "seed": "preset/quick.yaml:4",
        "hardware.device": "hardware/gpu.yaml:1",
        "trainer.epochs": "override trainer.epochs=9",
        "trainer.rules.0.name": "trainer/defaults.yaml:3",
        "trainer.rules.0.weight": "trainer/defaults.yaml:4",
        "trainer.rules.1.name": "trainer/defaults.yaml:5",
        "trainer.rules.1.weight": "trainer/defaults.yaml:6",
    }


def test_a_typed_choice_wins_over_a_preset_s(small: Path) -> None:
    assert composed(small, "quick", "trainer=defaults").config["trainer"]["epochs"] == 50


def test_list_items_by_index_by_brackets_and_by_name(small: Path) -> None:
    tree = composed(
        small,
        "trainer.rules.0.weight=3",
        "trainer.rules[1].weight=4",
        "trainer.rules.fingerprint.extra={a: 1}",
    )
    assert tree.config["trainer"]["rules"] == [
        {"name": "lensing", "weight": 3},
        {"name": "fingerprint", "weight": 4, "extra": {"a": 1}},
    ]
    assert origins(tree)["trainer.rules.1.weight"] == "override trainer.rules[1].weight=4"
    assert origins(tree)["trainer.rules.1.name"] == "trainer/defaults.yaml:5"


def test_composing_twice_does_not_share_anything(small: Path) -> None:
    first = composed(small, "trainer.rules.0.weight=3")
    first.config["trainer"]["rules"][1]["weight"] = "changed"
    assert composed(small).config["trainer"]["rules"][1]["weight"] == 2.0
    value = composed(small, "seed={a: [1]}").config["seed"]
    value["a"].append(2)
    assert composed(small, "seed={a: [1]}").config["seed"] == {"a": [1]}


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["trainer=ci"], "The group 'trainer' has no option 'ci'. It has ci_fast, defaults."),
        (["trainer=ci_fats"], "Did you mean 'ci_fast'?"),
        (["quik"], "Preset 'quik' not found. Did you mean 'quick'?"),
        (["gpu"], "Preset 'gpu' not found. Did you mean hardware=gpu?"),
        (["trainers/x=1"], "There is no group 'trainers/x'."),
        (["trainer@x=defaults"], "No defaults list holds 'trainer@x'"),
        (["traner@x=defaults"], "There is no group 'traner'. Did you mean 'trainer'?"),
        (["++trainer=defaults"], "'++' cannot choose an option"),
        (["trainer=null"], "must be a name, not null. To leave the group out, write ~trainer."),
        (["trainer=3"], "must be a name, not 3."),
        (["+trainer=ci_fast"], "'trainer' gets two options"),
        (["~preset=quick"], "No defaults list holds 'preset=quick' to leave out."),
        (["~trainer.nothing"], "'trainer.nothing' is not set, so it cannot be taken back."),
        (["~seed=3"], "'seed' is 1, not 3, and stays."),
        (["trainer.rules.5.weight=1"], "without an item '5'. It has lensing, fingerprint."),
        (["trainer.rules.nope.weight=1"], "without an item 'nope'."),
        (["trainer.rules={a: 1}"], "'trainer.rules' is a list; a mapping cannot be merged"),
        (["hardware=[cpu,no]"], "The group 'hardware' has no option 'no'."),
        (["trainer=../hardware/cpu"], "no option '../hardware/cpu'"),
        (["trainer=/etc/passwd"], "no option '/etc/passwd'"),
    ],
)
def test_what_is_wrong_is_told(small: Path, overrides: list[str], text: str) -> None:
    tree = composed(small, *overrides)
    assert text in said(tree)
    assert all(p.where == f"override {overrides[0]}" for p in tree.problems)


def test_problems_of_several_kinds_come_at_once(small: Path, write: Write) -> None:
    write(small, {"hardware/bad.yaml": "a: [1\n"})
    tree = composed(small, "hardware=bad", "trainer=ci", "x=1,2")
    assert len(tree.problems) == 3
    assert "hardware/bad.yaml:2" in said(tree)


def test_groups_are_left_out_and_added(small: Path) -> None:
    assert "hardware" not in composed(small, "~hardware").config
    assert "hardware" not in composed(small, "~hardware=cpu").config
    tree = composed(small, "+hardware@second=gpu", "trainer=[defaults,ci_fast]")
    assert tree.config["second"] == {"device": "cuda"}
    assert tree.config["trainer"]["epochs"] == 2
    assert tree.choices["trainer"] == "[defaults,ci_fast]"


def test_circles_are_told_and_end(small: Path, write: Write) -> None:
    write(small, {"trainer/a.yaml": "defaults: [b]\n", "trainer/b.yaml": "defaults: [a]\n"})
    text = said(composed(small, "trainer=a"))
    assert "in a circle: trainer/a → trainer/b → trainer/a." in text


def test_a_defaults_list_s_own_mistakes_are_told(small: Path, write: Write) -> None:
    write(
        small,
        {
            "trainer/a.yaml": "defaults:\n  - _self_\n  - _self_\n",
            "trainer/b.yaml": "defaults:\n  - override /hardware: gpu\n  - defaults\n",
            "trainer/c.yaml": "defaults:\n  - /hardware@more: '???'\n",
            "trainer/d.yaml": "defaults:\n  - override /nowhere: gpu\n",
        },
    )
    assert "trainer/a.yaml:3: '_self_' stands twice" in said(composed(small, "trainer=a"))
    assert "trainer/b.yaml:3: An entry stands after an 'override'" in said(
        composed(small, "trainer=b")
    )
    assert "trainer/c.yaml:2: The group 'hardware@trainer.more' needs an option." in said(
        composed(small, "trainer=c")
    )
    assert "trainer/d.yaml:2: No defaults list holds 'nowhere@trainer.nowhere'" in said(
        composed(small, "trainer=d")
    )


def test_interpolated_options_are_left_to_hydra(
    small: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hydra.core.global_hydra import GlobalHydra
    from hydra.version import VersionBase

    base = VersionBase.instance().version_base
    asked: list[str] = []
    expand = hydra_oracle.expand_by_hydra

    def watched(*args: Any) -> Any:
        asked.append("hydra")
        return expand(*args)

    monkeypatch.setattr(hydra_oracle, "expand_by_hydra", watched)
    write(
        small,
        {
            "config.yaml": "defaults:\n  - trainer: defaults\n  - model: for_${trainer}\n",
            "model/for_defaults.yaml": "big: true\n",
            "model/for_ci_fast.yaml": "big: false\n",
        },
    )
    tree = composed(small, "trainer=ci_fast", "model.depth=2")
    assert asked == ["hydra"]
    assert not tree.problems
    assert tree.config["model"] == {"big": False, "depth": 2}
    assert origins(tree)["model.big"] == "model/for_ci_fast.yaml:1"
    assert "for_nothing" in said(composed(small, "trainer=defaults", "model=for_nothing"))
    monkeypatch.setenv("SECRET_OF_MINE", "s3cret")
    for option in ("${oc.env:SECRET_OF_MINE}", "${.}", "${nothing}"):
        text = said(composed(small, f"model={option}"))
        assert "cannot be expanded" in text
        assert "s3cret" not in text
    assert not GlobalHydra.instance().is_initialized()
    assert VersionBase.instance().version_base is base


def test_a_mapping_over_an_interpolation_is_left_to_omegaconf(small: Path, write: Write) -> None:
    write(
        small,
        {
            "config.yaml": "defaults: [{a: x}, {b: y}]\n",
            "a/x.yaml": "# @package _global_\nbase: {k: 1, n: 2}\nuse: ${base}\n",
            "b/y.yaml": "# @package _global_\nuse: {n: 3}\n",
        },
    )
    tree = composed(small)
    assert not tree.problems
    config, problems = resolve(tree.config, str)
    assert not problems
    assert config["use"] == {"k": 1, "n": 3}
    tree = composed(small, "b=[]", "use.n=4")
    assert resolve(tree.config, str)[0]["use"] in ({"k": 1, "n": 4}, {"n": 4})


class TestInterpolation:
    def resolved(self, **config: Any) -> Any:
        values, problems = resolve(config, lambda key: f"at {key}")
        assert not problems, [str(problem) for problem in problems]
        return values

    def problems(self, **config: Any) -> str:
        _, problems = resolve(config, lambda key: f"at {key}")
        return "\n".join(str(problem) for problem in problems)

    def test_references(self) -> None:
        config = self.resolved(
            a={"b": 3, "c": "${.b}", "d": {"e": "${..b}"}}, x="${a.b}", y="${x}", z="${a}"
        )
        assert config["a"] == {"b": 3, "c": 3, "d": {"e": 3}}
        assert (config["x"], config["y"], config["z"]["d"]) == (3, 3, {"e": 3})

    def test_what_omegaconf_alone_understands(self) -> None:
        config = self.resolved(
            a=["x", "y"],
            b="${a[1]}",
            c="<${a.0}>",
            k="n",
            n=5,
            d="${${k}}",
            e="${oc.select:zz,7}",
            f="${oc.decode:'[1,2]'}",
            g="${oc.dict.keys:m}",
            m={"p": 1},
            h=r"\${n}",
        )
        assert (config["b"], config["c"], config["d"], config["e"]) == ("y", "<x>", 5, 7)
        assert (config["f"], config["g"], config["h"]) == ([1, 2], ["p"], "${n}")

    def test_mistakes_come_at_once_with_their_places(self) -> None:
        text = self.problems(trainer={"max_epochs": 3}, a="${trainer.max_epoch}", b={"c": "${no}"})
        assert "at a: '${trainer.max_epoch}' cannot be resolved" in text
        assert "Did you mean 'trainer.max_epochs'?" in text
        assert "at b.c: '${no}'" in text
        assert "circle" in self.problems(a="${b}", b="${a}") or "Recursive" in self.problems(
            a="${b}", b="${a}"
        )
        assert "at a" in self.problems(a="${")

    @pytest.mark.parametrize("name", ["oc.env", "hydra", "now", "my.resolver", "oc.selct"])
    def test_resolvers_that_look_elsewhere_are_refused(self, name: str) -> None:
        text = self.problems(a={"b": f"${{{name}:HOME}}"})
        assert f"at a.b: '${{{name}:…}}'" in text

    def test_no_detour_leads_to_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from omegaconf import OmegaConf

        monkeypatch.setenv("SECRET_OF_MINE", "s3cret")
        detours: list[dict[str, Any]] = [
            {"a": "$", "b": "{oc.env:SECRET_OF_MINE}", "c": "${oc.decode:${a}${b}}"},
            {"n": "env", "c": "${oc.${n}:SECRET_OF_MINE}"},
            {"c": r"${oc.create:'{x: \${oc.env:SECRET_OF_MINE}\}'}"},
        ]
        for config in detours:
            values, problems = resolve(config, str)
            assert "s3cret" not in repr(values) + repr(problems)
            assert problems
        # Elsewhere in the process it works as ever.
        assert OmegaConf.create({"a": "${oc.env:SECRET_OF_MINE}"}).a == "s3cret"

    def test_what_must_be_given(self) -> None:
        found = list(missing({"a": {"b": "???"}, "c": ["???"], "d": "?"}, lambda key: "f:1"))
        assert [str(problem) for problem in found] == [
            "f:1: 'a.b' must be given. Add a.b=VALUE.",
            "f:1: 'c.0' must be given. Add c.0=VALUE.",
        ]
