"""What the source documents print, word for word but for the program's name."""

from __future__ import annotations

DEFAULTS_LIST = """\
defaults:
  - trainer: defaults
"""
"""000: the choice of a trainer in `train.yaml`."""

OPTIMIZER = """\
optimizer:
  type: AdamW
  config:
    lr: 3e-4
    betas: [0.9, 0.999]
    weight_decay: 1e-4
"""
"""002."""

SCHEDULER = """\
scheduler:
  type: InverseLR
  config:
    inv_gamma: 1.0
    power: 1.0
    warmup: 0
"""
"""002."""

LOSS = """\
loss_config:
  spectral:
    stft_mse:
      config:
        reduction: mean
    weights:
      stft_mse: 1.0
"""
"""002."""

BOTTLENECK = """\
loss_config:
  bottleneck:
    weights:
      kl: 1.0
"""
"""002."""

EVAL_LOSS = """\
eval_loss_config:
  sisdr:
    zero_mean: true
    reduction: mean
  stft:
    sample_rate: 44100
    fft_size: 2048
    hop_size: 512
    win_length: 2048
  mel:
    fft_size: 2048
    hop_size: 512
    win_length: 2048
    n_mels: 128
"""
"""002."""

MINIMAL = """\
dataloader:
  batch_size: 4
  num_workers: 16
  prefetch_factor: 4
  pin_memory: true
  persistent_workers: true

lightning:
  lr: 2.0e-4
  weight_decay: 0.1
  compile: false
  lr_warmup:
    steps: 1000
    interval: step
  lr_scheduler:
    class_name: CosineAnnealingLR
    eta_min: 1.0e-5
    T_max: 100

trainer:
  max_epochs: 100
  accelerator: cuda
  precision: bf16-mixed
  gradient_clip_val: 1.0
  log_every_n_steps: 100
  early_stopping:
    monitor: val/loss
    patience: 5
"""
"""003."""

CHOOSE_TRAINER = [
    "traindeck train trainer=defaults",
    "traindeck train trainer=kaggle_safe",
    "traindeck train trainer=ci_fast",
]
"""000 and 001."""

OVERRIDE_INLINE = """\
traindeck train trainer=defaults \\
  trainer.max_epochs=30 \\
  trainer.gradient_clip_val=1.0
"""
"""000."""

ABLATE = "traindeck ablate -m loss.composite.smoothness.weight=0.0,0.05,0.1"
"""001."""

ABLATE_TOGETHER = (
    "traindeck ablate trainer=ablation -m loss.composite.smoothness.weight=0.0,0.05,0.1 "
    "loss.composite.fft.weight=0.0,0.1 symbolic.rules.gravitational_lensing.enabled=true,false"
)
"""001: what `ablation.yaml` varies, several axes together."""

VARIANTS = "traindeck train trainer=<name> data=<name> model=<name>"
"""002, with names to be filled in."""

LEARNING_RATE = "traindeck train trainer.optimizer.config.lr=3e-4"
"""002."""

BATCH_AND_EPOCHS = (
    "traindeck train data.train_dataloader.batch_size=32 trainer.trainer.max_epochs=100"
)
"""002."""

NO_WANDB = "traindeck train trainer.wandb.use_wandb=false "
"""002."""

OTHER_MODEL = "traindeck train model=SEANet_real data=jamendo_highres"
"""002."""

DETERMINISTIC = "trainer.deterministic=true"
"""002, in its checklist."""
