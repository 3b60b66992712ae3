"""TensorBoard's files and the CSV table, in `logs/version_N` of the run folder."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from trainer.engine.loggers.guard import Guarded, Revived
from trainer.engine.loggers.hparams import flat


class TensorBoard(Revived, TensorBoardLogger):
    """Lightning's logger with hyperparameters that show in TensorBoard's HPARAMS."""

    label = "TensorBoard"
    key = "tensorboard"

    def _write_hyperparams(self, params: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        super()._write_hyperparams(params, *args, **kwargs)
        if args or kwargs:
            return  # with metrics of their own, Lightning has written them
        from torch.utils.tensorboard.summary import hparams

        # Lightning writes them only together with a metric `hp_metric` that stays -1 for ever.
        plain = {name: _plain(value) for name, value in flat(params) if value is not None}
        writer = self.experiment._get_file_writer()
        for summary in hparams(plain, {}):  # type: ignore[no-untyped-call]  # torch has no types there
            writer.add_summary(summary)


class Csv(Guarded, CSVLogger):  # type: ignore[misc]  # it names fewer arguments
    """Lightning's logger."""

    label = "metrics.csv"
    key = "csv"


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)
