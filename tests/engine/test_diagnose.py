"""A trained model draws itself: with which weights, on which data, and what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainer.engine.diagnose import figures_of
from trainer.engine.fit import fit
from trainer.errors import TraindeckError

pytest.importorskip("matplotlib")


def weight_of(checkpoint: Path) -> float:
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    return sum(float(value.abs().sum()) for value in state.values())


def test_a_model_draws_with_the_best_weights_on_its_data(lab: Callable[..., Path]) -> None:
    run = lab(**{"model._target_": "enginelab.draws.Drawing", "trainer.max_epochs": 2})
    assert fit(run) == 0
    (name, figure), *others = figures_of(run).items()
    assert (name, others) == ("what it/learnt", [])
    data, seen, training, gradients, weight = figure.told
    assert type(data).__name__ == "Data"
    assert seen is data
    assert (training, gradients) == (False, False)
    assert weight == pytest.approx(weight_of(run / "checkpoints" / "best.ckpt"))


def test_one_that_draws_nothing_is_not_even_loaded(lab: Callable[..., Path]) -> None:
    assert figures_of(lab()) == {}


def test_without_a_checkpoint_or_with_other_answers_it_says_so(
    lab: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lab(**{"model._target_": "enginelab.draws.Drawing", "model.gives": "nothing"})
    with pytest.raises(TraindeckError, match="there is no checkpoint"):
        figures_of(run)
    assert fit(run) == 0
    with pytest.raises(TraindeckError, match=r"Drawing\.diagnostic_figures gave NoneType"):
        figures_of(run)


def test_the_model_of_the_page_draws(
    lab: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2] / "docs" / "own-model.md"
    found = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", page.read_text(), re.DOTALL))
    for name in ("mylab/waves.py", "mylab/shows.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(found[name])
    monkeypatch.syspath_prepend(str(tmp_path))
    changes = {"model": {"_target_": "mylab.shows.ShownWaves"}, "trainer.max_epochs": 1}
    run = lab(**changes, data={"_target_": "mylab.waves.Waves", "samples": 64}, loss={})
    settings = tmp_path / "home" / "traindeck" / "settings.yaml"
    settings.write_text("allowed_prefixes: [mylab]\n")
    assert fit(run) == 0
    figure = figures_of(run)["frequencies"]
    assert len(figure.axes[0].collections[0].get_offsets()) == 16
    figure.savefig(tmp_path / "frequencies.png")
