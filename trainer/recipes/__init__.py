"""Recipes: data, models and losses that plug into the engine.

A recipe is a package of classes that profiles name by `_target_`:

* data: an object with `train_dataset()` and `val_dataset()` (and perhaps `collate`), or a
  `LightningDataModule`;
* a model: any `nn.Module`;
* a loss: a callable `loss(model, batch) -> (loss, metrics)`, and perhaps `metric_info`, which gives
  units and goals of its metrics;
* callbacks: any Lightning callback.
"""
