"""Trainings whose loss is a sum of terms: what the events tell, and that a resume is exact."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
import yaml

from trainer.config.schema import load_resolved
from trainer.engine import build
from trainer.engine.callbacks.recorder import StepRecorder
from trainer.engine.fit import fit

BREAKS = {"_target_": "enginelab.terms.Breaks"}
TERMS = {
    "loss": {
        "composite": {
            "mse": {},
            "smoothness": {"weight": 0.0},
            "nonnegativity": {"weight": 0.5, "overrides": {"barrier": "softplus"}},
        }
    },
    "model": {"_target_": "torch.nn.Linear", "in_features": 4, "out_features": 1},
}
STEPS = 11  # batches of an epoch

# Document 002, word for word.
D002_BOTTLENECK = """\
loss_config:
  bottleneck:
    weights:
      kl: 1.0
"""


def number(value) -> float:
    return float(value)  # the events write NaN as a text, which float reads


def rows(events, folder, name):
    return [
        (event["step"], number(event["metrics"][name]))
        for event in events(folder, "metrics")
        if name in event["metrics"]
    ]


def with_terms(**composite):
    return TERMS | {"loss": {"composite": TERMS["loss"]["composite"] | composite}}


def test_events_hold_each_term_and_what_it_adds(lab, events):
    run = lab("run", **TERMS, **{"trainer.max_epochs": 2})
    assert fit(run) == 0

    total = dict(rows(events, run, "train/loss"))
    mse, barrier = (dict(rows(events, run, f"train/loss/{n}")) for n in ("mse", "nonnegativity"))
    added = dict(rows(events, run, "train/loss_weighted/nonnegativity"))
    assert sorted(total) == sorted(mse) == sorted(added) == list(range(1, 2 * STEPS + 1))
    for step, value in total.items():
        assert added[step] == pytest.approx(0.5 * barrier[step])
        assert value == pytest.approx(mse[step] + added[step], rel=1e-6)
    names = {name for event in events(run, "metrics") for name in event["metrics"]}
    assert {"val/loss/mse", "val/loss_weighted/nonnegativity", "val/non_finite_terms"} <= names
    assert {"train/loss/mse_epoch", "train/non_finite_terms_epoch"} <= names
    assert not [name for name in names if "smoothness" in name]
    (started,) = events(run, "run_started")
    assert started["metrics"]["train/loss/mse"] == {"goal": "min"}
    assert events(run, "alert") == []


def test_a_term_that_is_not_finite_is_told_with_its_step(lab, events):
    run = lab("run", **with_terms(breaks=BREAKS | {"config": {"at": [3, *range(12, 24)]}}))
    assert fit(run) == 0

    alerts = [e for e in events(run, "alert") if e["kind"] == "non_finite_term"]
    assert [(a["step"], a["term"], a["count"]) for a in alerts] == [
        (3, "breaks", 1),
        (20, "breaks", 10),
    ]
    assert alerts[0]["level"] == "warning"
    assert "'breaks'" in alerts[0]["message"]
    assert alerts[0]["advice"]
    assert all(math.isfinite(value) for _, value in rows(events, run, "train/loss"))
    told = dict(rows(events, run, "train/non_finite_terms"))
    assert [step for step, value in told.items() if value] == [3, *range(12, 24)]
    norms = dict(rows(events, run, "grad_norm"))
    assert all(math.isfinite(norm) for norm in norms.values())
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(torch.isfinite(w).all() for w in state["state_dict"].values())
    (counts,) = [v for k, v in state["callbacks"].items() if "TermWatch" in k]
    assert counts["counts"] == {"train/loss/breaks": 13}
    assert "non_finite_term" in (run / "logs" / "debug_log.md").read_text()


def test_if_all_terms_break_the_loss_is_nan(lab, events):
    run = lab(
        "run", **TERMS | {"loss": {"composite": {"breaks": BREAKS | {"config": {"at": [4]}}}}}
    )
    assert fit(run) == 0
    loss = dict(rows(events, run, "train/loss"))
    assert [step for step, value in loss.items() if math.isnan(value)] == [4]


def test_with_accumulation_a_term_is_the_mean_over_the_steps_batches(lab, events):
    breaks = BREAKS | {"config": {"at": [1]}}
    run = lab(
        "run",
        **with_terms(breaks=breaks),
        **{"trainer.max_epochs": 1, "trainer.accumulate_grad_batches": 3},
    )
    assert fit(run) == 0
    loss = dict(rows(events, run, "train/loss"))
    parts = [
        dict(rows(events, run, f"train/loss_weighted/{name}"))
        for name in ("mse", "nonnegativity", "breaks")
    ]
    for step in (1, 2, 3):
        assert loss[step] == pytest.approx(sum(part[step] for part in parts), rel=1e-5)
    # In the first of three batches; what came after does not hide it.
    (alert,) = events(run, "alert")
    assert alert["step"] == 1
    assert dict(rows(events, run, "train/non_finite_terms"))[1] == pytest.approx(1 / 3)


def test_metrics_of_a_steps_batches_are_averaged():
    recorder = StepRecorder()
    for value in (1.0, 2.0, 6.0):
        recorder.batch(torch.tensor(1.0), 4, 0, 0.1, 0.0)
        recorder.extra("train/x", torch.tensor(value))
    recorder.extra("memory", 5.0)
    recorder.step(step=1, epoch=0, end=0.0, period=0.3, lr=0.1, norm=None, accumulated=3)
    ((_, _, _, metrics),) = recorder.rows(wait=True)
    assert (metrics["train/x"], metrics["memory"]) == (3.0, 5.0)


def test_a_resumed_training_counts_and_trains_on(lab, events):
    told = {"_target_": "enginelab.tiny.Diary"}
    breaks = BREAKS | {"config": {"at": [2]}}
    cap = {"loss": with_terms(breaks=breaks)["loss"] | {"max_component_penalty": 2.0}}

    def prepare(name, resume, **diary):
        folder = lab(name)
        diary |= told | {"path": str(folder / "diary")}
        lab(name, **TERMS | cap, **{"callbacks.diary": diary, "run.resume": resume})
        return folder

    whole = prepare("whole", "never")
    assert fit(whole) == 0
    parts = prepare("parts", "never", stop_after=5)
    assert fit(parts) == 0
    prepare("parts", "auto")
    assert fit(parts) == 0
    lines = (whole / "diary").read_text()
    # The term counts batches in this process, so that it breaks again: in step 7.
    mine = (parts / "diary").read_text()
    assert len(mine.splitlines()) == len(lines.splitlines()) == 3 * STEPS
    assert mine.splitlines()[:6] == lines.splitlines()[:6]
    state = torch.load(parts / "checkpoints" / "last.ckpt", weights_only=True)
    (counts,) = [v for k, v in state["callbacks"].items() if "TermWatch" in k]
    assert counts["counts"] == {"train/loss/breaks": 2}
    # The epoch's mean, resumed, is no sign of another rank.
    assert [alert["count"] for alert in events(parts, "alert")] == [1]


def test_a_sum_of_terms_is_resumed_to_the_last_bit(lab):
    def prepare(name, resume, **diary):
        folder = lab(name)
        diary |= {"_target_": "enginelab.tiny.Diary", "path": str(folder / "diary")}
        changes = TERMS | {"model": {"_target_": "enginelab.tiny.Net"}}
        lab(name, **changes, **{"callbacks.diary": diary, "run.resume": resume})
        return folder

    whole = prepare("whole", "never")
    assert fit(whole) == 0
    parts = prepare("parts", "never", stop_after=8)
    assert fit(parts) == 0
    prepare("parts", "auto")
    assert fit(parts) == 0
    assert (parts / "diary").read_text() == (whole / "diary").read_text()


def test_measures_of_validation_have_names_and_goals(lab, events):
    run = lab(
        "run",
        **{
            "trainer.max_epochs": 1,
            "eval_loss": {"l1": {"reduction": "mean"}, "mse": {"enabled": False}},
            "trainer.early_stopping": {"monitor": "val/l1"},
        },
    )
    assert fit(run) == 0
    ((_, l1),) = rows(events, run, "val/l1")
    ((_, mae),) = rows(events, run, "val/mae")
    assert l1 == pytest.approx(mae)
    names = {name for event in events(run, "metrics") for name in event["metrics"]}
    assert not {"train/l1", "val/mse", "train/loss/main"} & names
    (started,) = events(run, "run_started")
    assert started["metrics"]["val/l1"] == {"goal": "min"}


def test_document_002_a_bottlenecks_kl_is_trained_on(lab, events):
    groups = yaml.safe_load(D002_BOTTLENECK)["loss_config"]
    loss = {"composite": {"mse": {}}, "groups": groups}
    run = lab("run", **TERMS | {"loss": loss, "model": {"_target_": "enginelab.tiny.Vae"}})
    assert fit(run) == 0
    assert len(rows(events, run, "train/loss/bottleneck/kl")) == 3 * STEPS

    plain = lab("plain", **TERMS | {"loss": loss})
    assert fit(plain) == 0
    assert rows(events, plain, "train/loss/bottleneck/kl") == []
    assert len(rows(events, plain, "train/loss/mse")) == 3 * STEPS


def test_terms_that_this_version_lacks_are_told_and_left_out(lab, events):
    run = lab("run", **with_terms(sisdr={"weight": 1.0}), **{"trainer.max_epochs": 1})
    assert fit(run) == 0
    (told,) = [e for e in events(run, "log") if "loss.composite.sisdr" in e["message"]]
    assert told["level"] == "warning"
    assert rows(events, run, "train/loss/sisdr") == []


def test_wrong_terms_end_with_the_code_of_wrong_input(lab, capsys):
    negative = with_terms(mse={"weight": -1.0})
    assert fit(lab("negative", **negative)) == 2
    assert "negative weight" in capsys.readouterr().err
    own = {"model": {"_target_": "enginelab.tiny.OwnModule"}, "loss": TERMS["loss"]}
    assert fit(lab("own", **own)) == 2
    assert "computes its own loss" in capsys.readouterr().err
    shape = with_terms(smoothness={"weight": 1.0})
    assert fit(lab("shape", **shape)) == 2
    assert "last dimension" in capsys.readouterr().err


def test_the_keys_of_loss_reach_torch(lab):
    def module(**changes):
        return build.module_of(load_resolved(lab("x", **changes) / "config.yaml").model_dump())

    assert type(module().loss).__name__ == "Loss"
    loss = module(**TERMS | {"loss": TERMS["loss"] | {"max_component_penalty": 3.0}}).loss
    assert [type(term).__name__ for term in loss.terms] == ["MSE", "Nonnegativity"]
    assert (loss.terms[1].barrier, loss.cap) == ("softplus", 3.0)
    evaluated = module(eval_loss={"huber": {"delta": 2.0}}).loss
    assert evaluated.evaluation[0].delta == 2.0


@pytest.mark.slow
def test_two_ranks_train_on_terms_and_a_term_that_breaks_on_the_other_is_told(
    lab, events, tmp_path
):
    breaks = BREAKS | {"config": {"at": [2], "rank": 1}}
    run = lab(
        "run",
        **with_terms(breaks=breaks),
        **{"trainer.devices": 2, "trainer.strategy": "ddp", "trainer.max_epochs": 2},
    )
    done = subprocess.run(
        [sys.executable, "-m", "trainer.engine", str(run)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (alert,) = events(run, "alert")
    assert (alert["kind"], alert["term"]) == ("non_finite_term", "breaks")
    assert "another rank" in alert["message"]
    means = rows(events, run, "train/non_finite_terms_epoch")
    assert [value > 0 for _, value in means] == [True, False]
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(torch.isfinite(w).all() for w in state["state_dict"].values())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_step_on_a_gpu_waits_for_no_term():
    from trainer.engine.losses.builder import loss_of

    loss = loss_of({"loss": TERMS["loss"] | {"max_component_penalty": 3.0}}).cuda()
    model = torch.nn.Linear(4, 1).cuda()
    batch = torch.randn(8, 4, device="cuda"), torch.randn(8, 1, device="cuda")
    loss(model, batch)[0].backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.autocast("cuda", dtype=torch.float16):
            value, _ = loss(model, batch)
        value.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.isfinite(model.weight.grad).all()


def test_the_watch_tells_now_and_then_and_knows_what_it_has_told():
    from trainer.engine.losses.watch import TermWatch
    from trainer.engine.session import Session

    alerts = []

    class Events:
        def alert(self, level, kind, message, **fields):
            alerts.append((fields["step"], fields["count"], message))

    def watch():
        return TermWatch(Session(None, {}, Events()), ["a"])

    def row(step, **metrics):
        return (0.0, step, 0, {f"train/loss/{name}": value for name, value in metrics.items()})

    first = watch()
    first([row(step, a=math.nan) for step in range(1, 151)])
    assert [(step, count) for step, count, _ in alerts] == [(1, 1), (10, 10), (100, 100)]
    resumed = watch()
    resumed.load_state_dict(first.state_dict())
    resumed([row(151, a=1.0), row(151, a_epoch=math.nan)])
    assert len(alerts) == 3
    assert resumed.counts == {"train/loss/a": 150}
    resumed([row(162, a=1.0), row(162, a_epoch=math.inf)])
    assert "another rank" in alerts[-1][2]
