"""Recipes: data, models and losses that plug into the engine.

A recipe is a package of classes that profiles name by `_target_`:

* data: an object with `train_dataset()` and `val_dataset()` (and perhaps `collate`), or a
  `LightningDataModule`;
* a model: any `nn.Module`;
* a loss: a callable `loss(model, batch) -> (loss, metrics)`, and perhaps `metric_info`, which gives
  units and goals of its metrics. Or a `ForwardPass` (`trainer.engine.losses.outputs`), whose outputs
  the terms of `loss.composite` and `loss.groups` are computed from; a term of the recipe's own gets
  its name by a row in `trainer.config.loss_terms`;
* callbacks: any Lightning callback.
"""
