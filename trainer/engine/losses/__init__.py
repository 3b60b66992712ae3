"""Losses: one weighted sum of named terms, for every recipe.

* `outputs`: what terms look at: prediction, target and what else a model gives.
* `terms`: the base class of terms, and values that a model gives by itself.
* `generic`: terms that need no recipe.
* `weighted`: the sum, guarded against terms that are not finite.
* `builder`: makes the sum that a config describes.
* `watch`: tells when a term is not finite.
"""
