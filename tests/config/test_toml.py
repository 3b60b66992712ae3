"""TOML files of profiles: where they are found, what their tables become, what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config import toml_text
from trainer.config.compose import compose, defaults_of
from trainer.config.diff import diff
from trainer.config.provenance import Origin, leaves
from trainer.config.sources import list_groups, list_options
from trainer.errors import ConfigError

Write = Callable[[Path, dict[str, str]], Path]
TOML = "config/training.toml"


def said(*overrides: str, config_file: Path | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        compose(overrides, config_file=config_file)
    return "\n".join(str(problem) for problem in error.value.problems)


class TestTables:
    def test_a_table_is_an_option_of_its_group(self, project: Path, write: Write) -> None:
        write(project, {TOML: """
            [trainer.short]
            max_epochs = 2
            [optimizer.quick]
            type = "SGD"
            config = { lr = 1e-1 }
        """})  # fmt: skip
        made = compose(["quickstart", "trainer=short", "optimizer=quick"])
        assert made.config["trainer"]["max_epochs"] == 2
        assert made.config["optimizer"]["config"] == {"lr": 0.1}
        assert str(made.provenance["trainer.max_epochs"]) == f"{TOML}:2"
        assert made.choices["trainer"] == "short"
        (change,) = [c for c in diff(defaults_of(made), made) if c.key == "optimizer.type"]
        assert str(change.origin) == f"{TOML}:4"

    def test_a_table_lies_over_the_file_of_its_name(self, project: Path, write: Write) -> None:
        write(project, {
            "profiles/hardware/box.yaml": "name: Box\ndevice: cpu\nmax_lora_rank: 8\n",
            TOML: "[hardware.box]\nmax_lora_rank = 4\n",
        })  # fmt: skip
        made = compose(["quickstart", "hardware=box"])
        assert made.config["hardware"]["name"] == "Box"
        assert made.config["hardware"]["max_lora_rank"] == 4
        assert str(made.provenance["hardware.max_lora_rank"]) == f"{TOML}:2"
        assert str(made.provenance["hardware.name"]) == "profiles/hardware/box.yaml:1"

    def test_the_nearest_file_wins_whole_and_nearer_tables_lie_over_it(
        self, project: Path, write: Write, no_profiles_of_a_person: Path
    ) -> None:
        write(no_profiles_of_a_person, {
            "training.toml": "[hardware.box]\nname = 'Mine'\nmax_batch_size = 99\n[lora.own]\nr = 2\n",
            "hardware/box.yaml": "name: File of mine\nmax_sequence_length: 999\n",
        })  # fmt: skip
        made = compose(["quickstart", "hardware=box", "lora=own"]).config
        assert made["lora"]["r"] == 2
        assert made["hardware"]["name"] == "Mine"
        assert made["hardware"]["max_sequence_length"] == 999
        write(project, {"profiles/hardware/box.yaml": "name: The project's\n"})
        made = compose(["quickstart", "hardware=box"]).config
        assert made["hardware"]["name"] == "The project's"
        assert made["hardware"]["max_batch_size"] is None

    def test_a_preset_chooses_options_and_sets_keys(self, project: Path, write: Write) -> None:
        write(project, {TOML: """
            [presets.mine]
            description = "Of mine."
            model = "gpt_nano"
            trainer = "quickstart"
            data = "pystdlib"
            loss = "next_token"
            callbacks = ["sample"]
            learning_rate = 1e-2
            [presets.mine.trainer_arguments]
        """})  # fmt: skip
        assert "there is no key 'trainer_arguments'" in said("mine")
        write(project, {TOML: """
            [presets.mine]
            description = "Of mine."
            model = "gpt_nano"
            trainer = "quickstart"
            data = "pystdlib"
            loss = "next_token"
            callbacks = ["sample"]
            scheduler = "none"
            learning_rate = 1e-2
            trainer_max = 1
        """})  # fmt: skip
        assert "trainer_max" in said("mine")
        write(project, {TOML: """
            [presets.mine]
            model = "gpt_nano"
            data = "pystdlib"
            loss = "next_token"
            callbacks = "sample"
            learning_rate = 1e-2
            [presets.mine.limits]
            grace = 3
        """})  # fmt: skip
        made = compose(["mine", "learning_rate=2e-2"])
        assert made.choices["preset"] == "mine"
        assert made.choices["model"] == "gpt_nano"
        assert made.config["optimizer"]["config"]["lr"] == 2e-2
        assert made.config["limits"]["grace"] == 3
        assert "lora" not in made.choices  # nothing of it speaks of an adapter

    def test_a_preset_lies_over_a_yaml_preset(self, project: Path, write: Write) -> None:
        write(project, {TOML: "[presets.quickstart]\nmodel = 'gpt_nano'\nmax_steps = 7\n"})
        made = compose(["quickstart"])
        assert made.choices["model"] == "gpt_nano"
        assert made.choices["data"] == "pystdlib"
        assert made.config["trainer"]["max_steps"] == 7

    def test_a_choice_that_is_not_there_is_told_at_its_line(
        self, project: Path, write: Write
    ) -> None:
        write(project, {TOML: '[presets.mine]\nexpert = "oracle-rauru-asembler"\n'})
        told = said("mine")
        assert told.startswith(f"{TOML}:2: The group 'expert' has no option")
        assert "Did you mean 'oracle-rauru-assembler'?" in told

    def test_a_table_of_data_lies_over_the_built_in_data(self, project: Path, write: Write) -> None:
        write(project, {TOML: "[datasets.spectra]\nframes = 48\n[datasets.own]\npath = 'x'\n"})
        made = compose(["spectramind", "data=spectra"]).config["data"]
        assert made["_target_"] == "trainer.recipes.spectra.data.SpectraData"
        assert made["frames"] == 48
        made = compose(["lora", "data=own"]).config["data"]
        assert (made["name"], made["root"], made["val_split"]) == ("own", "x", "val.jsonl")

    def test_lists_hold_tables(self, project: Path, write: Write) -> None:
        write(project, {TOML: "# Mine.\n[presets.mine]\nbatch_size = 1\n[lora.minimal]\nr = 4\n"})
        found = {option.name: option for option in list_options("preset")}
        assert found["mine"].doc == "Mine."
        assert (found["mine"].kind, found["mine"].table, found["mine"].line) == (
            "project", "presets.mine", 2)  # fmt: skip
        assert found["quickstart"].table == ""
        assert "expert" in list_groups()
        minimal = next(o for o in list_options("lora") if o.name == "minimal")
        assert minimal.kind == "project"


class TestOutside:
    def test_sections_are_laid_over_groups_and_below_presets(
        self, project: Path, write: Write
    ) -> None:
        write(project, {TOML: """
            seed = 5
            [output]
            models_dir = "out"
            [trainer]
            max_epochs = 9
            [trainer.early_stopping]
            patience = 4
            [trainer.own]
            max_epochs = 3
            [logger.csv]
            enabled = true
        """})  # fmt: skip
        made = compose(["trainer=own"])
        assert made.config["seed"] == 5
        assert made.config["output"]["models_dir"] == "out"
        assert made.config["trainer"]["max_epochs"] == 9
        assert made.config["trainer"]["early_stopping"]["patience"] == 4
        assert made.config["logger"]["csv"]["enabled"] is True
        assert str(made.provenance["trainer.early_stopping.patience"]) == f"{TOML}:7"

    def test_a_defaults_list_chooses_options(self, project: Path, write: Write) -> None:
        write(project, {TOML: 'defaults = [{ trainer = "ci_fast" }]\n'})
        assert compose([]).choices["trainer"] == "ci_fast"
        assert compose(["trainer=defaults"]).choices["trainer"] == "defaults"

    def test_a_yaml_file_of_ones_own_lies_above(self, project: Path, write: Write) -> None:
        write(project, {
            TOML: 'defaults = [{ trainer = "ci_fast" }]\nseed = 1\n[run]\nname = "toml"\n',
            "train.yaml": "defaults:\n  - limits: none\n  - _self_\nseed: 2\n",
        })  # fmt: skip
        made = compose([]).config
        assert (made["seed"], made["run"]["name"]) == (2, "toml")

    def test_config_names_another_file_in_its_place(self, project: Path, write: Write) -> None:
        write(project, {
            TOML: "seed = 1\n[presets.here]\nbatch_size = 2\n",
            "other.toml": "[presets.there]\nbatch_size = 3\n",
        })  # fmt: skip
        assert compose([]).config["seed"] == 1
        other = Path("other.toml")
        made = compose(["there"], config_file=other)
        assert (made.config["seed"], made.config["dataloader"]["batch_size"]) == (42, 3)
        assert str(made.provenance["dataloader.batch_size"]).startswith("other.toml:2")
        assert "Preset 'here' not found" in said("here", config_file=other)
        assert compose(["oracle-rauru-mac"], config_file=other)  # the built-in ones stay


class TestWrong:
    @pytest.mark.parametrize("name", ["presets", "experts", "datasets", "hyperparameters"])
    def test_a_table_of_tables_that_is_a_value(
        self, name: str, project: Path, write: Write
    ) -> None:
        write(project, {TOML: f"{name} = 3\n"})
        assert said("quickstart") == (
            f"{TOML}:1: '{name}' is a table of tables, and no single value. "
            f"Write [{name}.NAME], and keys below it."
        )

    def test_a_syntax_error_is_one_message_with_its_place(
        self, project: Path, write: Write
    ) -> None:
        write(project, {TOML: "[presets.mine]\nbatch_size = \n"})
        assert said("mine") == f"{TOML}:2:14: This is no valid TOML: Invalid value."
        made = compose(["quickstart"], check=False)
        assert [str(p) for p in made.problems] == [said("quickstart")]

    @pytest.mark.parametrize(
        ("text", "place"),
        [("[a\n", "1:3"), ("a = 1\na = 2\n", "2:6"), ("[lora.x]\nr = [1,\n", "3:1"),
         ('a = "x\n', "1:7"), ("[lora.x]\n[lora.x]\n", "2:8")],
    )  # fmt: skip
    def test_places(self, text: str, place: str, project: Path, write: Write) -> None:
        (project / "config").mkdir()
        (project / TOML).write_text(text)
        assert said().startswith(f"{TOML}:{place}: This is no valid TOML")

    def test_a_key_is_told_with_the_nearest_and_its_line(self, project: Path, write: Write) -> None:
        write(project, {TOML: "[hardware.box]\ndevice = 'cpu'\nmax_batchsize = 2\n"})
        assert said("quickstart", "hardware=box") == (
            f"{TOML}:3: there is no key 'hardware.max_batchsize'. "
            "Did you mean 'hardware.max_batch_size'?"
        )

    def test_a_value_of_another_type_is_told(self, project: Path, write: Write) -> None:
        write(project, {TOML: "[lora.box]\nr = 'many'\n"})
        assert said("lora", "lora=box").startswith(f"{TOML}:2: 'lora.r' cannot be \"many\"")

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("[lora.minimal]\n\nlora_alhpa = 4\n", "Did you mean 'lora.lora_alpha'?"),
            ("[experts.oracle-rauru-assembler]\n\nrol = 'x'\n", "Did you mean 'expert.role'?"),
            ("[hyperparameters.default]\n\nlr_scheduler = 'cosin'\n", "Did you mean 'cosine'?"),
            ("[hyperparameters.default]\n\neval_strategy = 'stesp'\n", "Did you mean 'steps'?"),
            ("[hyperparameters.default]\n\nlearning_rate = '2e-4'\n", "Write 2e-4 without quotes."),
            ("[datasets.alttp_yaze_full]\n\ntrain_splt = 'x'\n", "Did you mean 'train_split'?"),
            ("[hardware.mac-mps]\n\nmax_rank = 8\n", "Did you mean 'hardware.max_lora_rank'?"),
            ("[presets.oracle-rauru-mac]\n\nlora = 8\n", "Name an option of the group"),
            ("[evaluation]\n\nanwers = 8\n", "Did you mean 'evaluation.answers'?"),
        ],
    )
    def test_one_slip_is_one_problem_with_its_line(
        self, text: str, told: str, project: Path, write: Write
    ) -> None:
        write(project, {TOML: text})
        (problem,) = said("oracle-rauru-mac").splitlines()
        assert problem.startswith(f"{TOML}:3")
        assert told in problem

    def test_what_may_have_been_meant_is_told_beside_a_preset_that_is_not_there(
        self, project: Path, write: Write
    ) -> None:
        write(project, {TOML: "[tool.other]\nx = 1\n"})
        assert f"{TOML} is not used" in said("mine")
        (project / TOML).unlink()
        (project / TOML).mkdir()
        assert said("mine") == f"{TOML}: The file cannot be read: Is a directory."

    def test_a_table_that_is_none_is_told_with_the_nearest(
        self, project: Path, write: Write
    ) -> None:
        write(project, {TOML: "[lora.x]\nr = 1\n[prests.mine]\nbatch_size = 1\n"})
        assert said() == f"{TOML}:3: There is no table 'prests'. Did you mean 'presets'?"
        write(project, {TOML: "[presets]\nbatch_size = 1\n"})
        assert "Write it below [presets.NAME]." in said()

    def test_a_file_of_another_program_is_left_alone_and_told(
        self, project: Path, write: Write
    ) -> None:
        write(project, {TOML: "[tool.other]\nx = 1\n"})
        assert any(TOML in note for note in compose([]).notes)
        assert "None of its tables" in said(config_file=Path(TOML))

    def test_bytes_that_are_no_text(self, project: Path, write: Write) -> None:
        (project / "config").mkdir()
        (project / TOML).write_bytes(b"a = 1\nb = '\xff'\n")
        assert said() == f"{TOML}:2: Byte 11 is no UTF-8. Save it as UTF-8."
        (project / TOML).write_text("a = " + "[" * 5000)
        assert "nested too deeply" in said()

    def test_a_file_is_read_again_when_it_changed(self, project: Path, write: Write) -> None:
        write(project, {TOML: "[presets.mine]\nbatch_size = 3\n"})
        assert compose(["mine"]).config["dataloader"]["batch_size"] == 3
        write(project, {TOML: "[presets.mine]\nbatch_size = 44\n"})
        assert compose(["mine"]).config["dataloader"]["batch_size"] == 44


PLAIN = st.one_of(
    st.integers(-9, 9), st.booleans(), st.text("ab\n\"'\\#=[] é", max_size=8), st.floats(0, 1),
    st.lists(st.integers(0, 3), max_size=3),
)  # fmt: skip
NAMES = st.text("abc.-\" '#[]=é", min_size=1, max_size=4)


@given(
    st.dictionaries(
        NAMES,
        st.one_of(PLAIN, st.dictionaries(NAMES, PLAIN, max_size=3)),
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_the_line_of_a_value_is_the_one_that_it_stands_in(values: dict[str, object]) -> None:
    import tomlkit

    text = tomlkit.dumps(values)
    read = toml_text.parse(text, "f.toml")
    marks = toml_text.marks(text)
    tree = toml_text.origins(read, marks, Origin("f.toml", 1))
    assert {m.path for m in marks} >= {(n,) for n, v in values.items() if v != {}}
    for mark in marks:
        if not mark.header:
            assert toml_text.parse(f"v = {text[mark.start : mark.end]}", "")["v"] is not None
            line = text[text.rfind("\n", 0, mark.start) + 1 :]
            assert mark.line == text.count("\n", 0, len(text) - len(line)) + 1
    assert isinstance(tree, dict)
    assert list(leaves(read)) is not None


def test_a_table_may_be_copied_to_a_yaml_profile(project: Path) -> None:
    from trainer.config.scaffold import new_profile

    profile, _, _ = new_profile("preset/mine", copy_from="oracle-rauru-mac")
    assert '  - override /hardware: "mac-mps"\n' in profile.read_text(encoding="utf-8")
    new_profile("lora/mine", copy_from="minimal")
    ours, theirs = compose(["mine", "lora=mine"]), compose(["oracle-rauru-mac"])
    assert ours.config == theirs.config
    assert ours.provenance["lora.r"].where == "profiles/lora/mine.yaml"


def test_a_set_of_hyperparameters_in_yaml_inherits_too(project: Path, write: Write) -> None:
    write(project, {
        "profiles/hyperparameters/mine.yaml": "learning_rate: 1.0e-3\n",
        TOML: "[hyperparameters.default]\nweight_decay = 0.5\n",
    })  # fmt: skip
    made = compose(["lora", "hyperparameters=mine"])
    assert made.config["optimizer"]["config"]["lr"] == 1e-3
    assert made.config["optimizer"]["config"]["weight_decay"] == 0.5
    assert made.config["scheduler"]["warmup"] == 50
    assert made.provenance["optimizer.config.lr"].where == "profiles/hyperparameters/mine.yaml"
    write(project, {TOML: "[hyperparameters.mine]\nlearning_rate = 2e-3\n"})
    assert compose(["lora", "hyperparameters=mine"]).config["optimizer"]["config"]["lr"] == 2e-3


def test_a_preset_in_yaml_chooses_options_by_name_as_a_table_does(
    project: Path, write: Write
) -> None:
    preset = """
        # @package _global_
        # Mine.
        expert: oracle-rauru-assembler
        hardware: mac-mps
        dataset: alttp_yaze_full
        hyperparameters: default
        lora: minimal
        sequence_length: 1024
        batch_size: 1
        gradient_accumulation: 2
    """
    write(project, {"profiles/preset/mine.yaml": preset})
    made, known = compose(["mine"]), compose(["oracle-rauru-mac"])
    assert made.config == known.config
    assert {**made.choices, "preset": ""} == {**known.choices, "preset": ""}
    assert compose(["mine", "dataset=instruct"]).choices["data"] == "instruct"
    # A name that is no option is a name.
    write(
        project, {"profiles/preset/mine.yaml": "# @package _global_\nlora: minimal\ndataset: own\n"}
    )
    made = compose(["mine"])
    assert (made.choices["data"], made.config["data"]["name"]) == ("instruct", "own")
    write(project, {"profiles/preset/mine.yaml": "# @package _global_\nlora: minimial\n"})
    assert "mine.yaml:2: The group 'lora' has no option 'minimial'." in said("mine")


def test_a_primary_file_chooses_options_by_name(project: Path, write: Write) -> None:
    write(project, {"own.yaml": "hardware: cpu\ndataset: alttp_yaze_full\n"})
    made = compose([], config_file=Path("own.yaml"))
    assert (made.choices["hardware"], made.choices["data"]) == ("cpu", "alttp_yaze_full")
    write(project, {TOML: 'trainer = "ci_fast"\n'})
    assert compose([]).choices["trainer"] == "ci_fast"


def test_keys_of_older_files_are_told_to_have_no_effect(project: Path, write: Write) -> None:
    write(project, {TOML: """
        [hardware.mac-mps]
        status = "available"
        python_path = "bin/python"
        [datasets.alttp_yaze_full]
        notes = "Mixed."
        [output]
        logs_dir = "logs"
        checkpoints_dir = "checkpoints"
    """})  # fmt: skip
    made = compose(["oracle-rauru-mac"])
    told = [note.partition(" has no effect: ")[0] for note in made.notes if "no effect" in note]
    assert sorted(told) == ["hardware.python_path", "output.checkpoints_dir", "output.logs_dir"]
    assert made.config["data"]["notes"] == "Mixed."
