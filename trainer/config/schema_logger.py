"""Where metrics go besides the run's own events: TensorBoard, CSV, Weights & Biases, MLflow."""

from __future__ import annotations

from trainer.config.schema_base import Section, key, section


class TensorBoard(Section):
    """Keys of `logger.tensorboard`."""

    enabled: bool = key(True, "Write TensorBoard's files under `logs/`.", source="002 003")


class Csv(Section):
    """Keys of `logger.csv`."""

    enabled: bool = key(False, "Write `metrics.csv` under `logs/`.")


class Wandb(Section):
    """Keys of `logger.wandb`. The API key comes from WANDB_API_KEY or `~/.netrc` alone."""

    enabled: bool = key(False, "Log to Weights & Biases.", source="000 002")
    project: str | None = key(
        None, "Project there; null: WANDB_PROJECT, else `traindeck`.", source="000"
    )
    entity: str | None = key(
        None, "Team or user there; null: WANDB_ENTITY, else the account's default."
    )
    name: str | None = key(None, "Name there; null: the run's.")
    group: str | None = key(
        None, "Group there; null: WANDB_RUN_GROUP, else the sweep that the run belongs to."
    )
    job_type: str | None = key(None, "Kind of job there, such as `train`.")
    tags: list[str] | None = key(None, "Tags there; null: the run's.")
    notes: str | None = key(None, "A longer description there.")
    id: str | None = key(
        None, "Id there, under which a resumed run goes on; null: one made of the run's folder."
    )
    offline: bool = key(
        False,
        "Write under `logs/wandb/` only, without any network; `wandb sync` uploads it later.",
        source="000",
    )


class Mlflow(Section):
    """Keys of `logger.mlflow`. Names and tokens for a server come from the environment alone."""

    enabled: bool = key(False, "Log to MLflow.", source="000")
    experiment_name: str | None = key(
        None, "Experiment there; null: MLFLOW_EXPERIMENT_NAME, else `traindeck`.", source="000"
    )
    run_name: str | None = key(None, "Name there; null: the run's.")
    tags: dict[str, str] | None = key(None, "Tags there, besides the run's own.")
    tracking_uri: str | None = key(
        None,
        "A server, `sqlite:///FILE` or a folder; null: MLFLOW_TRACKING_URI, else `mlflow.db` in "
        "the folder of all runs.",
        source="000",
        path=True,
    )
    artifact_location: str | None = key(
        None, "Where a new experiment keeps its files; null: beside the database.", path=True
    )


class Logger(Section):
    """The `logger` section. The run's own events are always written."""

    tensorboard: TensorBoard = section(TensorBoard, "TensorBoard.", source="002 003")
    csv: Csv = section(Csv, "A table of metrics as CSV.")
    wandb: Wandb = section(Wandb, "Weights & Biases.", source="000 002")
    mlflow: Mlflow = section(Mlflow, "MLflow.", source="000")
