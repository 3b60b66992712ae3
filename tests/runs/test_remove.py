"""What is deleted, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.errors import RunError
from trainer.runs.folders import make_folder
from trainer.runs.layout import RunFolder, read_json, write_json_atomic
from trainer.runs.manage import remove
from trainer.runs.record import new_record
from trainer.runs.status import State


def _over(folder: Path) -> RunFolder:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "precious.txt").write_text("years of work")
    write_json_atomic(folder / "status.json", new_record("trainer", State.COMPLETED))
    return RunFolder(folder)


@pytest.mark.parametrize(
    "said", [None, "garbage", "{}", '{"v": 2, "id": "x"}', '{"v": 1, "id": ""}', '{"id": "x"}']
)
def test_a_folder_that_merely_holds_a_status_is_kept(tmp_path: Path, said: str | None) -> None:
    for place in ("project", "runs/mine", "2026-01-02/mine", "x/12-00-00-mine"):
        run = _over(tmp_path / place)
        if said is not None:
            run.run_json.write_text(said)
        with pytest.raises(RunError, match="may be no run's folder"):
            remove(run)
        assert (run.path / "precious.txt").exists()


@pytest.mark.parametrize("said", [None, "garbage"])
def test_a_broken_run_in_a_day_of_runs_goes(tmp_path: Path, said: str | None) -> None:
    run = _over(tmp_path / "runs" / "2026-01-02" / "12-00-00-mine-bcdfghj")
    if said is not None:
        run.run_json.write_text(said)
    remove(run)
    assert not run.path.exists()


def test_a_run_goes_wherever_it_lies(tmp_path: Path) -> None:
    made = make_folder(tmp_path / "runs", "x")
    moved = RunFolder(made.path.rename(tmp_path / "moved"))
    write_json_atomic(moved.status, {**read_json(moved.status), "state": "completed"})
    remove(moved)
    assert not moved.path.exists()


def test_of_a_link_only_the_link_goes(tmp_path: Path) -> None:
    run = _over(tmp_path / "project")
    link = tmp_path / "link"
    link.symlink_to(run.path)
    remove(RunFolder(link))
    assert not link.is_symlink()
    assert (run.path / "precious.txt").exists()
