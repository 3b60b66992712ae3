"""From what varies to trials that are known to be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.errors import ConfigError
from trainer.sweeps import plan
from trainer.sweeps.names import labels

EPOCHS, RATES = "trainer.max_epochs=1,2,3", "optimizer.config.lr=1e-3,3e-3"


def overridden(planned: plan.Plan) -> list[list[str]]:
    return [[word for word in t.overrides if word not in planned.base] for t in planned.trials]


def test_several_axes_make_their_full_product_with_the_last_one_fastest() -> None:
    planned = plan.make(["quickstart", EPOCHS, RATES])
    assert len(planned.trials) == 6
    assert overridden(planned)[:3] == [
        ["trainer.max_epochs=1", "optimizer.config.lr=0.001"],
        ["trainer.max_epochs=1", "optimizer.config.lr=0.003"],
        ["trainer.max_epochs=2", "optimizer.config.lr=0.001"],
    ]
    assert planned.trials[1].factors == {"trainer.max_epochs": 1, "optimizer.config.lr": 0.003}
    assert planned.trials[1].name == "quickstart-2 max_epochs=1 lr=0.003"


def test_seeds_repeat_each_trial_and_are_no_factor() -> None:
    planned = plan.make(["quickstart", RATES, "seed=4,5"])
    assert [trial.seed for trial in planned.trials] == [4, 5, 4, 5]
    assert all(set(trial.factors) == {"optimizer.config.lr"} for trial in planned.trials)
    assert planned.trials[0].overrides[-1] == "seed=4"
    by_option = plan.make(["quickstart", RATES], seeds=(4, 5))
    assert by_option.trials == planned.trials


def test_one_at_a_time_counts_the_baseline_once() -> None:
    planned = plan.make(["quickstart", "trainer.max_epochs=2", EPOCHS, RATES], mode="one_at_a_time")
    assert overridden(planned) == [
        [],
        ["trainer.max_epochs=1"],
        ["trainer.max_epochs=3"],
        ["optimizer.config.lr=0.001"],
        ["optimizer.config.lr=0.003"],
    ]
    assert planned.trials[0].factors == {}
    assert planned.trials[0].name == "quickstart-1 baseline"
    # What varies stands in place of the baseline's value.
    assert planned.trials[1].overrides == ("quickstart", "trainer.max_epochs=1")


def test_paired_axes_go_in_step_and_need_the_same_length() -> None:
    planned = plan.make(["quickstart", "trainer.max_epochs=1,2", RATES], mode="paired")
    assert overridden(planned) == [
        ["trainer.max_epochs=1", "optimizer.config.lr=0.001"],
        ["trainer.max_epochs=2", "optimizer.config.lr=0.003"],
    ]
    with pytest.raises(ConfigError, match=r"max_epochs has 3, optimizer\.config\.lr has 2"):
        plan.make(["quickstart", EPOCHS, RATES], mode="paired")


def test_all_configs_are_checked_and_all_problems_told_with_their_trials() -> None:
    bad = ["quickstart", "trainer.max_epochs=1,-9", "dataloader.batch_size=0,4"]
    with pytest.raises(ConfigError) as caught:
        plan.check(plan.make(bad))
    texts = [str(problem) for problem in caught.value.problems]
    assert len(texts) == 2
    assert any(text.startswith("trials 3, 4: override trainer.max_epochs=-9") for text in texts)
    assert any(text.startswith("trials 1, 3: override dataloader.batch_size=0") for text in texts)
    with pytest.raises(ConfigError, match="trial quickstart-2 max_epochs=-9: override"):
        plan.check(plan.make(bad[:2]))
    # What is wrong with the baseline is said once.
    with pytest.raises(ConfigError) as caught:
        plan.check(plan.make(["quickstart", "dataloader.batch_size=0", RATES]))
    assert str(caught.value).startswith("override dataloader.batch_size=0")


def test_rules_are_switched_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "profiles" / "trainer").mkdir(parents=True)
    (tmp_path / "profiles" / "trainer" / "ruled.yaml").write_text(
        "# @package _global_\n# Rules.\nsymbolic:\n  rules:\n"
        "    - {name: mass_conservation, enabled: true}\n    - {name: second, enabled: true}\n"
    )
    planned = plan.make(["trainer=ruled", "symbolic.rules.second.enabled=true,false"], cwd=tmp_path)
    assert planned.trials[1].overrides[-1] == "symbolic.rules.second.enabled=false"
    assert [trial.factors["symbolic.rules.second.enabled"] for trial in planned.trials] == [
        True,
        False,
    ]


def test_the_command_of_document_001_takes_the_profile_for_sweeps() -> None:
    planned = plan.make(["loss.composite.smoothness.weight=0.0,0.05,0.1"])
    assert [trial.factors for trial in planned.trials] == [
        {"loss.composite.smoothness.weight": value} for value in (0.0, 0.05, 0.1)
    ]
    assert planned.base == ("trainer=ablation",)
    assert "trainer=ablation" in planned.notes[0]
    assert plan.make(["trainer=defaults", RATES]).base == ("trainer=defaults",)
    assert plan.make(["quickstart", RATES]).notes == ()


def test_a_profile_lists_what_varies_and_how_many_train_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "profiles" / "trainer").mkdir(parents=True)
    (tmp_path / "profiles" / "trainer" / "mine.yaml").write_text(
        "# @package _global_\n# Mine.\nablation:\n  parallel_runs: 3\n"
        "  sweep:\n"
        "    - trainer.max_epochs=1,2\n    - optimizer.config.lr=range(1,3)\n"
        "trainer: {monitor: val/score, monitor_mode: max}\n"
    )
    planned = plan.make(["trainer=mine"], cwd=tmp_path)
    assert (len(planned.trials), planned.parallel) == (4, 3)
    assert (planned.metric, planned.goal) == ("val/score", "max")
    assert len(plan.make(["trainer=mine"], seeds=(0, 1), cwd=tmp_path).trials) == 8
    # What is typed stands in place of the list.
    assert len(plan.make(["trainer=mine", "seed=3", RATES], cwd=tmp_path).trials) == 2


def test_nothing_and_too_much_are_refused() -> None:
    with pytest.raises(ConfigError, match="Nothing varies"):
        plan.make([])
    with pytest.raises(ConfigError, match=r"3000 trials \(1500 x 2\)"):
        plan.make(["quickstart", "trainer.max_epochs=range(1,1501)", RATES])


def test_labels_are_as_short_as_they_can_be() -> None:
    assert labels(["a.b.lr", "c.d.epochs"]) == {"a.b.lr": "lr", "c.d.epochs": "epochs"}
    assert labels(["a.x.lr", "b.y.lr"]) == {"a.x.lr": "x.lr", "b.y.lr": "y.lr"}
    assert labels(["loss.smooth.weight"]) == {"loss.smooth.weight": "smooth.weight"}
