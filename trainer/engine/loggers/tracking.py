"""MLflow: Lightning's logger that sends many steps at once and goes on with its run on resume."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import MLFlowLogger

from trainer.config.logger_rules import tracking_uri
from trainer.engine.loggers.courier import Item, Point
from trainer.engine.loggers.guard import Guarded
from trainer.engine.loggers.hparams import flat
from trainer.paths import at_home
from trainer.runs.layout import RunFolder, read_json_or_empty, write_json_atomic
from trainer.secrets import mask

DEFAULT_EXPERIMENT = "traindeck"
#: What MLflow takes in one request.
_METRICS, _PARAMS = 1000, 100
_LONGEST = 500
_NAME = re.compile(r"[^\w/. :-]+", re.ASCII)


class Tracking(Guarded, MLFlowLogger):
    """Lightning's logger; many steps go in one request."""

    label = "MLflow"
    key = "mlflow"

    def _deliver(self, items: deque[Item]) -> None:
        while items:
            points = self._points(items)
            if points:
                metrics = [metric for point in points for metric in _metrics(point)]
                for start in range(0, len(metrics), _METRICS):
                    part = metrics[start : start + _METRICS]
                    self.experiment.log_batch(run_id=self.run_id, metrics=part)
                for _ in points:
                    items.popleft()
            else:
                item = items[0]
                assert not isinstance(item, Point)
                item()
                items.popleft()

    @staticmethod
    def _points(items: deque[Item]) -> list[Point]:
        """Give the points at the front that make up one request."""
        points: list[Point] = []
        count = 0
        for item in items:
            if not isinstance(item, Point):
                break
            count += len(item.metrics)
            if points and count > _METRICS:
                break
            points.append(item)
        return points

    def _write_hyperparams(self, params: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """Write what is new; MLflow refuses other values, so that a resume's become tags."""
        from mlflow.entities import Param, RunTag

        client, run_id = self.experiment, self.run_id
        known = client.get_run(run_id).data.params
        given = {_NAME.sub("_", name)[:250]: str(v)[:_LONGEST] for name, v in flat(params)}
        new = [Param(key, value) for key, value in given.items() if key not in known]
        changed = [
            RunTag(f"changed.{key}"[:250], value)
            for key, value in given.items()
            if known.get(key, value) != value
        ]
        for start in range(0, len(new), _PARAMS):
            client.log_batch(run_id=run_id, params=new[start : start + _PARAMS])
        for start in range(0, len(changed), _PARAMS):
            client.log_batch(run_id=run_id, tags=changed[start : start + _PARAMS])

    def _save(self) -> None:
        """Do nothing: every request is saved."""

    def _again(self, error: Exception) -> bool:
        code = getattr(error, "get_http_status_code", None)
        if callable(code):
            status = int(code())
            return status >= 500 or status == 429
        return super()._again(error)


def tracking(config: Mapping[str, Any], run: RunFolder) -> Tracking:
    """Make the logger and connect to its store.

    Args:
        config: The resolved config.
        run: Whose name, tags and folder it takes.

    Raises:
        Exception: The store cannot be opened; whatever MLflow raises.
    """
    # A store on this machine needs no network, and a server that is gone is told of soon.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"mlflow\.store\.")
    section = config["logger"]["mlflow"]
    identity = run.identity()
    uri, artifacts = _place(tracking_uri(config), identity, run)
    tags = {
        "traindeck.run": str(identity.get("id") or run.path.name),
        "traindeck.tags": ", ".join(map(str, identity.get("tags") or [])),
        "traindeck.folder": str(run.path),
        **(section.get("tags") or {}),
    }
    with _alone(uri):
        logger = Tracking(
            experiment_name=section.get("experiment_name")
            or os.environ.get("MLFLOW_EXPERIMENT_NAME")
            or DEFAULT_EXPERIMENT,
            run_name=section.get("run_name") or str(identity.get("name") or run.path.name),
            tracking_uri=uri,
            tags={name: value for name, value in tags.items() if value},
            artifact_location=section.get("artifact_location") or artifacts,
            run_id=_known_run(uri, run),
        )
        again = logger._run_id is not None
        run_id = logger.run_id
    if again:
        logger.experiment.update_run(run_id, status="RUNNING")
    _note(run).parent.mkdir(parents=True, exist_ok=True)
    write_json_atomic(_note(run), {"store": mask(uri), "run_id": run_id})
    return logger


def place_of(logger: Tracking) -> str:
    """Say where MLflow keeps the run."""
    return f"run {logger.run_id} in {mask(logger._tracking_uri)}"


def _note(run: RunFolder) -> Path:
    return run.logs / "mlflow.json"


def _known_run(uri: str, run: RunFolder) -> str | None:
    """Give the id under which an earlier attempt logged, if it is still there."""
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    noted = read_json_or_empty(_note(run))
    run_id = noted.get("run_id")
    if not isinstance(run_id, str) or noted.get("store") != mask(uri):
        return None
    try:
        found = MlflowClient(uri).get_run(run_id)
    except MlflowException:
        return None
    return run_id if found.info.lifecycle_stage == "active" else None


def _place(uri: str, identity: Mapping[str, Any], run: RunFolder) -> tuple[str, str | None]:
    """Give the store's address and, for a file, where a new experiment keeps its own files."""
    if not uri:
        root = Path(str(identity.get("runs_dir") or run.path.parent))
        uri = f"sqlite:///{root / 'mlflow.db'}"
    if re.match(r"sqlite(\+\w+)?:///", uri):
        scheme, _, rest = uri.partition(":///")
        file = Path(rest.split("?", 1)[0]).absolute()
        file.parent.mkdir(parents=True, exist_ok=True)
        query = f"?{rest.split('?', 1)[1]}" if "?" in rest else ""
        return f"{scheme}:///{file}{query}", (file.parent / "mlartifacts").as_uri()
    if uri.startswith("file:") or ("://" not in uri and not uri.startswith(("databricks", "uc"))):
        # MLflow keeps its folders going, and wants to be told that one is meant.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        if not uri.startswith("file:"):
            uri = at_home(uri).absolute().as_uri()
    return uri, None


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Keep other runs out while an SQLite file gets its tables, which two cannot make at once."""
    if not uri.startswith("sqlite"):
        yield
        return
    folder = Path(uri.partition(":///")[2].split("?", 1)[0]).parent
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _metrics(point: Point) -> Iterator[Any]:
    from mlflow.entities import Metric

    for name, value in point.metrics.items():
        if isinstance(value, str):
            continue
        key = _NAME.sub("", name)
        yield Metric(key, float(value), int(point.time * 1000), point.step or 0)
