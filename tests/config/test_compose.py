"""compose() on the built-in profiles, a project's, a user's, and a person's own primary file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import profiles
from trainer.config.compose import Composed, compose, defaults_of, load_run, side
from trainer.config.diff import Change, diff
from trainer.config.hashing import config_hash
from trainer.config.provenance import leaves
from trainer.config.schema import defaults
from trainer.config.sources import find, list_groups, list_options, search_path
from trainer.errors import ConfigError

Write = Callable[[Path, dict[str, str]], Path]

pytestmark = pytest.mark.usefixtures("project")


def said(*overrides: str, **how: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        compose(overrides, **how)
    return "\n".join(str(problem) for problem in raised.value.problems)


class TestBuiltIn:
    def test_the_default_composition_is_valid_and_every_value_has_an_origin(self) -> None:
        composed = compose()
        assert set(composed.provenance) == {key for key, _ in leaves(composed.config)}
        assert list(composed.config) == list(defaults())
        assert composed.choices["hardware"] == "cpu"
        assert not composed.problems

    def test_every_preset_and_option_composes(self) -> None:
        for group in list_groups():
            for option in list_options(group):
                assert compose([f"{group}={option.name}"], check=False).files, option

    def test_a_bare_word_is_a_preset(self) -> None:
        composed = compose(["quickstart", "trainer.max_epochs=3"])
        assert composed.choices["preset"] == "quickstart"
        assert composed.config["trainer"]["max_epochs"] == 3
        assert str(composed.provenance["trainer.max_epochs"]) == "override trainer.max_epochs=3"
        assert composed.overrides == ("quickstart", "trainer.max_epochs=3")

    def test_every_sign_means_the_same_for_keys(self) -> None:
        hashes = {
            compose([f"{sign}trainer.max_epochs=3", f"{sign}data.jobs=5"]).hash
            for sign in ("", "+", "++")
        }
        assert len(hashes) == 1

    def test_a_tilde_restores_the_schema_s_default(self) -> None:
        composed = compose(["trainer.max_epochs=77", "~trainer.max_epochs"])
        assert composed.config["trainer"]["max_epochs"] == defaults()["trainer"]["max_epochs"]
        assert str(composed.provenance["trainer.max_epochs"]) == "override ~trainer.max_epochs"
        kept = compose(["~optimizer.config"]).config["optimizer"]
        assert kept["config"] == defaults()["optimizer"]["config"]
        assert "jobs" not in compose(["data.jobs=5", "~data.jobs"]).config["data"]
        assert "'seed' is 42, not 3, and stays" in said("~seed=3")

    def test_trainer_comes_after_what_it_touches(self) -> None:
        assert compose(["trainer=kaggle_safe"]).config["dataloader"]["batch_size"] == 32
        assert compose(["trainer=ci_fast"]).config["dataloader"]["batch_size"] == 8

    def test_a_cpu_gets_full_precision_and_a_note(self) -> None:
        composed = compose(["trainer.precision=16-mixed"])
        assert composed.config["trainer"]["precision"] == "32-true"
        assert any("is a CPU" in note for note in composed.notes)
        assert composed.provenance["trainer.precision"].kind == "finalize"

    def test_another_spelling_keeps_its_origin(self) -> None:
        composed = compose(["trainer.trainer.max_epochs=3"])
        assert composed.config["trainer"]["max_epochs"] == 3
        assert (
            str(composed.provenance["trainer.max_epochs"])
            == "override trainer.trainer.max_epochs=3"
        )

    def test_two_spellings_conflict_within_one_list_of_overrides(self) -> None:
        text = said("lightning.lr=1e-3", "optimizer.config.lr=2e-3")
        assert "two spellings of 'optimizer.config.lr'" in text

    def test_another_class_drops_the_keywords_that_it_lacks(self) -> None:
        composed = compose(["optimizer=adamw", "optimizer.type=SGD"])
        assert "betas" not in composed.config["optimizer"]["config"]
        assert any("betas" in note and "SGD" in note for note in composed.notes)
        assert "optimizer.config.betas" not in composed.provenance
        kept = compose(["optimizer=adamw", "optimizer.type=Adam"])
        assert kept.config["optimizer"]["config"]["betas"]
        # What a person types together is meant, and wrong.
        assert "SGD takes no 'betas'" in said("optimizer.type=SGD", "optimizer.config.betas=[0,0]")
        schedule = compose(["scheduler=cosine", "scheduler={type: StepLR, config: {step_size: 2}}"])
        assert set(schedule.config["scheduler"]["config"]) == {"step_size"}

    def test_the_history_of_a_key_tells_every_layer(self) -> None:
        composed = compose(["trainer=ci_fast", "trainer.trainer.max_epochs=9", "seed=3", "~seed"])
        history = composed.history("trainer.max_epochs")
        assert [str(origin).split(":")[0] for origin, _ in history] == [
            "schema default", "trainer/ci_fast.yaml", "override trainer.trainer.max_epochs=9",
        ]  # fmt: skip
        assert history[-1][1] == 9
        assert [str(o) for o, _ in composed.history("seed")][-2:] == [
            "override seed=3", "override ~seed",
        ]  # fmt: skip
        assert composed.history("trainer.accelerator")[-1][0].kind == "finalize"
        assert composed.history("nothing.of.it") == []
        assert set(composed.where("optimizer.config")) >= {"optimizer.config.lr"}

    def test_all_problems_come_at_once_each_with_its_place_and_remedy(self) -> None:
        text = said(
            "trainer=ci_fats", "trainer.max_epoch=3", "seed=x", "optimzer.type=SGD", "lr=1,2",
            "data.path=${oc.env:HOME}", "model.width=???", "optimizer.config.learning=1",
        )  # fmt: skip
        for part in (
            "override trainer=ci_fats: The group 'trainer' has no option 'ci_fats'. Did you mean 'ci_fast'?",
            "override trainer.max_epoch=3: there is no key 'trainer.max_epoch'. Did you mean 'trainer.max_epochs'?",
            "override seed=x: 'seed' cannot be",
            "override optimzer.type=SGD: there is no key 'optimzer'. Did you mean 'optimizer'?",
            "override lr=1,2: '1,2' lists several values",
            "override data.path=${oc.env:HOME}: '${oc.env:…}' reads the environment",
            "AdamW takes no 'learning'",
        ):
            assert part in text
        assert "override model.width=???: 'model.width' must be given." in said("model.width=???")

    def test_unchecked_composition_tells_its_problems(self) -> None:
        composed = compose(["trainer=nope", "seed=x"], check=False)
        assert len(composed.problems) == 2


class TestSearchOrder:
    def test_project_then_user_then_built_in_and_the_first_file_wins_whole(
        self, project: Path, no_profiles_of_a_person: Path, write: Write
    ) -> None:
        write(no_profiles_of_a_person, {"trainer/ci_fast.yaml": "max_epochs: 11\n"})
        assert compose(["trainer=ci_fast"]).config["trainer"]["max_epochs"] == 11
        write(project / "profiles", {"trainer/ci_fast.yaml": "# Mine.\nmin_epochs: 1\n"})
        composed = compose(["trainer=ci_fast"])
        assert composed.config["trainer"]["max_epochs"] == defaults()["trainer"]["max_epochs"]
        origin = composed.provenance["trainer.min_epochs"]
        assert str(origin) == "profiles/trainer/ci_fast.yaml:2"
        assert origin.path == str(project / "profiles/trainer/ci_fast.yaml")
        found = find("trainer", "ci_fast")
        assert found is not None
        assert (found.kind, found.doc) == ("project", "Mine.")
        assert [path.parent.parent.name for path in found.shadows] == ["profiles", "profiles"]

    def test_another_folder_can_be_named(self, project: Path, write: Write) -> None:
        write(project / "conf", {"trainer/mine.yaml": "max_epochs: 4\n"})
        composed = compose(["trainer=mine"], profiles_dir=Path("conf"))
        assert str(composed.provenance["trainer.max_epochs"]) == "conf/trainer/mine.yaml:1"
        assert "no profiles folder 'nowhere'" in said(profiles_dir=Path("nowhere"))
        assert "has no option 'mine'" in said("trainer=mine")

    def test_a_user_s_file_is_shown_below_the_home_folder(
        self, no_profiles_of_a_person: Path, write: Write
    ) -> None:
        write(no_profiles_of_a_person, {"trainer/mine.yaml": "max_epochs: 4\n"})
        origin = compose(["trainer=mine"]).provenance["trainer.max_epochs"]
        assert str(origin) == "~/.config/traindeck/profiles/trainer/mine.yaml:1"

    def test_in_a_clone_the_profiles_folder_is_the_built_in_one(self) -> None:
        sources = search_path(cwd=profiles.FOLDER.parent)
        assert [source.kind for source in sources.folders] == ["built-in"]
        assert compose(cwd=profiles.FOLDER).choices == compose().choices

    def test_lists_of_profiles(self, project: Path, write: Write) -> None:
        write(project / "profiles", {"sound/fx/loud.yaml": "a: 1\n", "trainer/README.md": "x\n"})
        assert {"sound/fx", "trainer", "hardware"} <= set(list_groups())
        assert [option.name for option in list_options("sound/fx")] == ["loud"]
        assert "README" not in [option.name for option in list_options("trainer")]
        assert list_options("nothing") == list_options("../x") == []
        assert all(option.doc for option in list_options("hardware"))

    def test_hostile_names_stay_inside(self, project: Path, write: Write) -> None:
        write(project, {"outside.yaml": "max_epochs: 1\n", "profiles/trainer/x.yaml": "{}\n"})
        assert "has no option" in said("trainer=../../outside")
        assert "has no option" in said(f"trainer='{project}/outside'")


class TestOwnPrimary:
    def test_its_choices_are_overrides_below_those_typed(self, project: Path, write: Write) -> None:
        write(
            project / "profiles",
            {
                "train.yaml": """
                    defaults:
                      - trainer: ci_fast
                      - sound: loud
                      - _self_
                    trainer: {max_epochs: 5}
                """,
                "sound/loud.yaml": "# @package data\njobs: 11\n",
            },
        )
        composed = compose()
        assert composed.choices["trainer"] == "ci_fast"
        assert composed.config["data"]["jobs"] == 11
        assert str(composed.provenance["trainer.max_epochs"]) == "profiles/train.yaml:5"
        assert "profiles/train.yaml is used as the primary file" in composed.notes
        typed = compose(["trainer=defaults", "trainer.max_epochs=6"])
        assert typed.choices["trainer"] == "defaults"
        assert typed.config["trainer"]["max_epochs"] == 6
        assert "ci_fast" not in defaults_of(composed).choices.values()

    def test_its_values_lie_below_the_groups_if_self_comes_first(
        self, project: Path, write: Write
    ) -> None:
        text = "defaults:\n  - _self_\n  - trainer: ci_fast\ntrainer: {max_epochs: 5}\n"
        write(project, {"train.yaml": text})
        ci_fast = compose(["trainer=ci_fast"], config_file=None).config["trainer"]["max_epochs"]
        assert ci_fast != 5

    def test_a_preset_comes_after_it_unless_it_names_the_preset_itself(
        self, project: Path, write: Write
    ) -> None:
        write(project / "profiles", {"preset/mine.yaml": "# @package _global_\nseed: 3\n"})
        write(project, {"train.yaml": "defaults:\n  - trainer: ci_fast\nseed: 5\n"})
        assert compose().config["seed"] == 5
        assert compose(["mine"]).config["seed"] == 3
        write(project, {"train.yaml": "defaults:\n  - preset: mine\n  - _self_\nseed: 5\n"})
        assert compose().config["seed"] == 5
        write(project, {"train.yaml": "defaults:\n  - _self_\n  - preset: mine\nseed: 5\n"})
        assert compose().config["seed"] == 3

    def test_a_file_without_a_header_works_when_asked_for(
        self, project: Path, write: Write
    ) -> None:
        write(project, {"mine.yaml": "lightning:\n  lr: 2.0e-4\ntrainer:\n  max_epochs: 100\n"})
        composed = compose(config_file=Path("mine.yaml"))
        assert composed.config["optimizer"]["config"]["lr"] == 2e-4
        assert (
            str(composed.provenance["optimizer.config.lr"])
            == "mine.yaml:2 (written as lightning.lr)"
        )
        assert (
            compose(["trainer.max_epochs=3"], config_file=Path("mine.yaml")).config["trainer"][
                "max_epochs"
            ]
            == 3
        )

    def test_somebody_else_s_config_is_not_picked_up(self, project: Path, write: Write) -> None:
        plain = compose().hash
        for text in ("seed: 9\n", "defaults:\n  - db: mysql\nseed: 9\n", "a: [1\n", "- 1\n"):
            write(project, {"config.yaml": text})
            assert compose().hash == plain

    def test_a_broken_file_that_is_ours_is_told(self, project: Path, write: Write) -> None:
        write(project / "profiles", {"config.yaml": "defaults: [{trainer: x}]\na: [1\n"})
        assert "profiles/config.yaml:" in said()
        assert "cannot be read" in said(config_file=Path("nothing.yaml"))
        assert "is neither YAML nor TOML" in said(config_file=Path("training.ini"))

    def test_a_wrong_choice_is_told_with_its_line(self, project: Path, write: Write) -> None:
        write(project, {"train.yaml": "defaults:\n  - trainer: fast\n"})
        assert "train.yaml:2: The group 'trainer' has no option 'fast'." in said()


class TestDiff:
    def test_against_the_defaults(self) -> None:
        composed = compose(["trainer.max_epochs=3", "data.jobs=5", "model=gpt_nano"])
        changes = {change.key: change for change in diff(defaults_of(composed), composed)}
        assert {"trainer.max_epochs", "data.jobs", "model.dim", "model.layers"} <= set(changes)
        assert changes["model.dim"].new == 64, "another model is a difference"
        assert changes["data.jobs"].kind == "added"
        assert str(changes["trainer.max_epochs"].origin) == "override trainer.max_epochs=3"
        assert not diff(compose(), defaults_of(compose()))

    def test_another_recipe_is_compared_with_its_own_parts(
        self, project: Path, write: Write
    ) -> None:
        write(
            project,
            {
                "profiles/model/waves.yaml": "name: waves\nwidth: 3\n",
                "profiles/data/waves.yaml": "name: waves\n",
                "profiles/preset/waves.yaml": (
                    "# @package _global_\ndefaults:\n  - override /model: waves\n"
                    "  - override /data: waves\n  - _self_\n"
                    "run: {recipe: waves}\nseed: 7\n"
                ),
            },
        )
        composed = compose(["waves", "model.width=5"])
        changes = {change.key: change for change in diff(defaults_of(composed), composed)}
        assert (changes["model.width"].old, changes["model.width"].new) == (3, 5)
        assert {"seed", "run.recipe"} <= set(changes)

    def test_a_train_yaml_that_is_passed_over_is_told_and_a_broken_one_is_an_error(
        self, project: Path, write: Write
    ) -> None:
        write(project, {"train.yaml": "trainer: {max_epochs: 5}\n"})
        assert "train.yaml is not used" in " ".join(compose().notes)
        write(project, {"train.yaml": "{\n"})
        assert "train.yaml:2:1" in said()

    def test_both_ends_of_training_are_told(self) -> None:
        notes = " ".join(compose(["trainer.max_epochs=3", "trainer.max_steps=10"]).notes)
        assert "whichever comes first" in notes
        assert "whichever" not in " ".join(compose(["quickstart", "trainer.max_steps=10"]).notes)

    def test_between_profiles_presets_and_runs(self, project: Path) -> None:
        a, b = side(["trainer/ci_fast"]), side(["trainer/kaggle_safe.yaml"])
        assert a.choices["trainer"] == "ci_fast"
        changed = {change.key: (change.old, change.new) for change in diff(a, b)}
        assert changed["dataloader.batch_size"] == (8, 32)
        folder = project / "run"
        folder.mkdir()
        composed = compose(["seed=7"])
        (folder / "config.yaml").write_text(composed.yaml())
        assert not diff(side(["run"]), composed)
        assert not diff(composed, load_run(folder))
        assert load_run(folder).hash == composed.hash
        assert side(["quickstart", "seed=3"]).config["seed"] == 3

    def test_kinds(self) -> None:
        old = {
            "a": 1,
            "b": 1.0,
            "c": None,
            "d": True,
            "e": [1, 2],
            "f": {"x": 1},
            "n": float("nan"),
        }
        new = {"a": 2, "b": 1, "c": {"y": 1}, "d": 1, "e": [1, 3], "f": {}, "n": float("nan")}
        assert diff(old, new) == [
            Change("a", "changed", 1, 2),
            Change("c.y", "added", None, 1),
            Change("d", "changed", True, 1),
            Change("e", "changed", [1, 2], [1, 3]),
            Change("f", "added", None, {}),
            Change("f.x", "removed", 1, None),
        ]


class TestHash:
    def test_order_and_form_of_numbers_do_not_matter(self) -> None:
        config = compose().config
        turned = {key: config[key] for key in reversed(config)}
        assert config_hash(turned) == config_hash(config)
        assert config_hash({"a": 1.0, "b": -0.0}) == config_hash({"b": 0, "a": 1})

    def test_anything_else_does(self) -> None:
        values: list[Any] = [
            1, True, "1", 1.5, None, "null", [1], [[1]], {"b": 1}, {}, [], "", float("nan"), "nan",
            float("inf"), {1: 1}, {"1": 1}, 10**20, 0.1 + 0.2, 0.3,
        ]  # fmt: skip
        assert len({config_hash({"a": value}) for value in values}) == len(values)

    def test_paths_and_the_run_s_name_do_not_matter(self) -> None:
        plain = compose().hash
        assert compose(["run.name=x", "trainer.ckpt_dir=/elsewhere", "run.tags=[a]"]).hash == plain
        assert compose(["seed=43"]).hash != plain

    def test_it_is_the_same_in_another_process(self) -> None:
        code = "from trainer.config.compose import compose; print(compose(['seed=3']).hash)"
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": "7", "PATH": ""},
        )  # fmt: skip
        assert result.stdout.strip() == compose(["seed=3"]).hash


def test_many_threads_get_the_same_results() -> None:
    lists = [
        ["trainer=ci_fast", f"seed={n % 5}", "model.name='a, b'", "callbacks.k={a: [1, 2]}"]
        for n in range(200)
    ]
    expected = [compose(overrides) for overrides in lists[:5]]
    with ThreadPoolExecutor(16) as pool:
        results: list[Composed] = list(pool.map(compose, lists))
    for n, result in enumerate(results):
        assert result.config == expected[n % 5].config
        assert result.provenance == expected[n % 5].provenance


def test_threads_may_need_hydra_too(project: Path, write: Write) -> None:
    write(
        project / "profiles",
        {"sound/x.yaml": "a: 1\n", "train.yaml": "defaults:\n  - sound@callbacks.sound: ${trainer}\n",
         "sound/ci_fast.yaml": "b: ${oc.select:nothing,5}\n"},
    )  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(compose, [["trainer=ci_fast", f"seed={n}"] for n in range(24)]))
    assert {result.config["callbacks"]["sound"]["b"] for result in results} == {5}
    assert [result.config["seed"] for result in results] == list(range(24))


def test_composing_loads_neither_hydra_nor_torch_until_it_must() -> None:
    code = """
import sys
import trainer.config
heavy = {"hydra", "omegaconf", "pydantic", "torch", "numpy", "yaml"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
from trainer.config.compose import compose
assert not {"hydra", "omegaconf", "pydantic"} & set(sys.modules)
compose(["quickstart", "trainer.max_epochs=3", "optimizer.config.lr=1e-3"])
heavy = {"hydra", "omegaconf", "torch", "numpy"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
