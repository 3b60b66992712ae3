"""What to do about an alert: the advice of the troubleshooting pages, and what follows from it."""

from __future__ import annotations

_CALMER = (
    "Start with a conservative learning rate (a tenth of it, or with a warmup: "
    "scheduler.warmup), check that the normalisation layers fit the inputs, complex ones above "
    "all, and switch gradient clipping on (trainer.gradient_clip_val)."
)

ADVICE: dict[str, str] = {
    "non_finite_loss": (
        "The weights are most likely spoilt: go on from the last good checkpoint. " + _CALMER
    ),
    "non_finite_gradients": (
        "The weights may be spoilt. Look for logarithms and divisions near zero, train in bf16 or "
        "32 bits instead of fp16, and switch gradient clipping on (trainer.gradient_clip_val)."
    ),
    "divergence": _CALMER,
    "exploding_gradients": _CALMER,
    "vanishing_gradients": (
        "The first layers learn next to nothing. Use activations that do not saturate, residual "
        "connections or normalisation layers, and an initialisation that fits the depth."
    ),
    "plateau": (
        "Look at the learning rate first: it may be too small or zero, or its schedule may have "
        "ended. If it is right, stop here, or give the model more capacity or other data."
    ),
    "heavy_clipping": (
        "Clipping, and not the learning rate, sets the size of the steps. Raise "
        "trainer.gradient_clip_val, or start with a more conservative learning rate."
    ),
    "validation_gap": (
        "Confirm that the validation data are made as the training data are (the same STFT and "
        "other preprocessing settings), and that the model's pre-transform "
        "(model.autoencoder.pre_transform) is applied to both."
    ),
    "overfitting": (
        "Keep the best checkpoint and stop early (trainer.early_stopping), or use more data, "
        "augmentation, dropout or weight decay. Confirm that validation data are made as training "
        "data are."
    ),
    "loader_bound": (
        "Give the loader more workers (dataloader.num_workers, dataloader.persistent_workers=true, "
        "dataloader.pin_memory=true on a GPU), prepare data beforehand, or move it to a faster disk."
    ),
    "stall": (
        "Look at the output and at the processes (py-spy dump shows where they wait): a loader "
        "worker, a disk, another rank or a debugger may hold it. limits.wall_clock ends a run "
        "that hangs for good."
    ),
    "out_of_memory": (
        "Reduce the batch size (dataloader.batch_size) and make up for it with gradient "
        "accumulation (trainer.accumulate_grad_batches), or process long inputs in chunks "
        "(chunked spectrograms, shorter sequences). The limits in the hardware profile may be too "
        "high: lower hardware.max_sequence_length and hardware.max_lora_rank, or make a profile of "
        "your own with lower settings."
    ),
}
