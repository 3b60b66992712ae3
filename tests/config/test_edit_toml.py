"""Tables of TOML files edited: a change touches its own line, and comments stay."""

from __future__ import annotations

from collections.abc import Callable
from difflib import ndiff
from pathlib import Path

import pytest

from trainer.config import edit_files
from trainer.config.edit import EditError
from trainer.config.edit_files import Opened
from trainer.config.edit_toml import TableText
from trainer.config.edit_toml_files import copied, home_of, segment

TEXT = '''\
# What this file is for.
[hardware.mac-mps]   # mine
max_sequence_length = 512  # Reduce from 1024
max_lora_rank = 4          # Reduce from 8

# The long runs.
[hyperparameters.long]
  num_epochs = 9
  # twice as usual
  learning_rate = 4e-4

# ── presets ──

[presets.mine]
expert = "oracle-rauru-assembler"  # the assembler
hardware = 'mac-mps'
target = ["a",  # first
  "b"]
[presets.mine.trainer]
max_steps = 7

[experts.own]
prompt_template = """
# no comment
[no.table]
{output}"""
role = "own"
'''


def table(group: str, name: str, text: str = TEXT) -> TableText:
    return TableText(text, group, name, "config/training.toml")


def changed(old: TableText, new: TableText) -> list[str]:
    lines = ndiff(old.text.splitlines(), new.text.splitlines())
    return [line for line in lines if line[0] in "+-"]


class TestReading:
    def test_leaves_have_their_lines_and_canonical_keys(self) -> None:
        found = [
            (leaf.key, leaf.value, leaf.line) for leaf in table("hyperparameters", "long").leaves
        ]
        assert found == [("trainer.max_epochs", 9, 8), ("optimizer.config.lr", 4e-4, 10)]
        preset = table("preset", "mine")
        assert [leaf.key for leaf in preset.leaves] == ["target", "trainer.max_steps"]
        assert [(e.group, e.value, e.line) for e in preset.defaults] == [
            ("/expert", "oracle-rauru-assembler", 15), ("/hardware", "mac-mps", 16)]  # fmt: skip
        assert table("lora", "nowhere").leaves == ()

    def test_what_can_be_set(self) -> None:
        assert table("hyperparameters", "long").reaches("trainer.max_steps")
        assert not table("hyperparameters", "long").reaches("trainer.accelerator")
        assert table("hardware", "mac-mps").reaches("hardware.name")
        assert not table("hardware", "mac-mps").reaches("seed")
        assert table("preset", "mine").reaches("seed")

    def test_a_broken_text_has_no_leaves_and_refuses_edits(self) -> None:
        broken = table("lora", "x", "[lora.x]\nr = \n")
        assert broken.leaves == ()
        assert str(broken.problems[0]).startswith("config/training.toml:2:5: This is no valid TOML")
        with pytest.raises(EditError, match="no valid TOML"):
            broken.set("lora.r", 1)


class TestEditing:
    def test_a_value_keeps_its_comment(self) -> None:
        old = table("hardware", "mac-mps")
        new = old.set("hardware.max_lora_rank", 2)
        assert changed(old, new) == [
            "- max_lora_rank = 4          # Reduce from 8",
            "+ max_lora_rank = 2          # Reduce from 8",
        ]
        assert old.set("hardware.max_lora_rank", 4) is old

    def test_a_key_in_another_spelling_is_changed_where_it_stands(self) -> None:
        old = table("hyperparameters", "long")
        assert changed(old, old.set("optimizer.config.lr", 1e-3)) == [
            "-   learning_rate = 4e-4",
            "+   learning_rate = 0.001",
        ]

    def test_a_new_key_stands_below_the_last_in_the_documents_spelling(self) -> None:
        old = table("hyperparameters", "long")
        new = old.set("scheduler.warmup", 5)
        assert changed(old, new) == ["+   warmup_steps = 5"]
        assert new.text.splitlines()[9:11] == ["  learning_rate = 4e-4", "  warmup_steps = 5"]

    def test_a_preset_sets_any_key_in_the_innermost_table(self) -> None:
        old = table("preset", "mine")
        assert changed(old, old.set("trainer.max_epochs", 3)) in (
            ["+ num_epochs = 3"], ["+ max_epochs = 3"])  # fmt: skip
        assert changed(old, old.set("trainer.precision", "32-true")) == ['+ precision = "32-true"']
        assert changed(old, old.set("limits.grace", 3.0)) == ["+ limits.grace = 3.0"]

    def test_a_table_that_is_not_there_is_made(self) -> None:
        new = table("lora", "tiny").set("lora.r", 2).set("lora.bias", "none")
        assert new.text == TEXT + '\n[lora.tiny]\nr = 2\nbias = "none"\n'
        assert table("data", "own", "").set("data.root", "x").text == '[datasets.own]\npath = "x"\n'

    def test_options_are_chosen(self) -> None:
        old = table("preset", "mine")
        assert changed(old, old.choose(1, "cpu"))[1:] == ['+ hardware = "cpu"']
        assert changed(old, old.choose(0, None)) == [
            '- expert = "oracle-rauru-assembler"  # the assembler'
        ]

    def test_a_key_is_taken_out_with_its_line(self) -> None:
        old = table("hardware", "mac-mps")
        assert changed(old, old.unset("hardware.max_sequence_length")) == [
            "- max_sequence_length = 512  # Reduce from 1024"
        ]
        with pytest.raises(EditError, match="not set here"):
            old.unset("hardware.name")
        preset = table("preset", "mine")
        assert len(changed(preset, preset.unset("target"))) == 2

    def test_texts_of_several_lines_stay_so(self) -> None:
        old = table("expert", "own")
        new = old.set("expert.prompt_template", "First\n{output}")
        assert 'prompt_template = """First\n{output}"""' in new.text
        hard = 'a "quoted"\n\\ and """ more'
        assert old.set("expert.prompt_template", hard).get("expert.prompt_template") == hard

    def test_null_and_keys_of_others_are_refused(self) -> None:
        with pytest.raises(EditError, match="TOML has no such value"):
            table("preset", "mine").set("seed", None)
        with pytest.raises(EditError, match="cannot set 'seed'"):
            table("hardware", "mac-mps").set("seed", 1)

    @pytest.mark.parametrize(
        "text",
        ["[lora]\nx = { r = 1, bias = 'none' }\n", "lora.x.r = 1\n", "[lora]\nx.r = 1\n",
         "[lora.x]\r\nr = 1\r\n", "[lora.x]\nr = 1", "['lora'.\"x\"]\n'r' = 1 # c\n"],
    )  # fmt: skip
    def test_other_ways_of_writing_are_edited_or_left_alone(self, text: str) -> None:
        old = table("lora", "x", text)
        assert old.set("lora.r", 3).get("lora.r") == 3
        if "{" in text or "x.r" in text:
            with pytest.raises(EditError, match="in the TOML"):
                old.set("lora.lora_alpha", 5)
            return
        new = old.set("lora.lora_alpha", 5)
        assert new.values == old.values | {"lora_alpha": 5}
        assert new.text.count("\r\n") in (0, new.text.count("\n"))

    def test_secrets_are_found(self) -> None:
        new = table("preset", "mine").set("logger.wandb.api_key", "abcdef0123456789")
        assert [problem.key for problem in new.secrets()] == ["logger.wandb.api_key"]


class TestFiles:
    def test_a_tables_own_lines(self) -> None:
        assert segment(TEXT, ("hyperparameters", "long")) == (
            "# The long runs.\n[hyperparameters.long]\n  num_epochs = 9\n  # twice as usual\n"
            "  learning_rate = 4e-4\n"
        )
        assert segment(TEXT, ("presets", "mine")).endswith(
            "[presets.mine.trainer]\nmax_steps = 7\n"
        )

    def test_a_copy_is_added_to_the_persons_own_file(self, tmp_path: Path) -> None:
        path, shown = home_of(tmp_path)
        assert (path, shown) == (tmp_path / "config" / "training.toml", "config/training.toml")
        whole = copied(table("hyperparameters", "long"), "longer", path, shown)
        edit_files.save(Opened.new(path), whole)
        whole = copied(table("expert", "own"), "own", path, shown)
        edit_files.save(edit_files.open_file(path), whole)
        text = path.read_text(encoding="utf-8")
        assert "# The long runs.\n[hyperparameters.longer]\n" in text
        assert table("expert", "own", text).values == table("expert", "own").values
        with pytest.raises(EditError, match=r"'experts.own' already"):
            copied(table("expert", "own"), "own", path, shown)

    def test_changes_of_others_are_kept(self, tmp_path: Path, write: Callable[..., Path]) -> None:
        path = tmp_path / "training.toml"
        path.write_text(TEXT, encoding="utf-8")
        opened = edit_files.open_file(path)
        mine = table("hardware", "mac-mps").set("hardware.max_lora_rank", 2)
        path.write_text(TEXT.replace("num_epochs = 9", "num_epochs = 1"), encoding="utf-8")
        now, merged = edit_files.save(opened, mine)
        assert merged
        assert "num_epochs = 1" in now.text
        assert "max_lora_rank = 2 " in now.text
