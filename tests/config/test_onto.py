"""What a run that goes on with other values was asked for."""

from __future__ import annotations

from pathlib import Path

import yaml

from trainer.config.compose import compose
from trainer.config.onto import compose_onto


def test_it_is_what_the_run_was_asked_for_and_the_overrides_on_top(tmp_path: Path) -> None:
    words = ["quickstart", "batch_size=6", "+trainer.max_steps=20", "optimizer.config.lr=0.01"]
    was = compose(words)
    (tmp_path / "config.yaml").write_text(was.yaml())
    (tmp_path / "overrides.yaml").write_text(yaml.safe_dump(words))
    assert compose_onto(tmp_path).overrides == tuple(words)
    on_top = ("dataloader.batch_size=3", "trainer.max_steps=30")
    made = compose_onto(tmp_path, on_top)
    assert made.overrides == ("quickstart", "optimizer.config.lr=0.01", *on_top)
    assert compose(made.overrides).hash == made.hash
