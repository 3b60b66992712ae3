"""The TOML blocks of document 004, its commands and its `metadata.json`, word for word."""

HARDWARE = """\
[hardware.mac-mps]
name = "Mac M1/M2/M3 with MPS"
device = "mps"
available_memory_gb = 20
max_batch_size = 1
max_sequence_length = 1024
supports_fp16 = true
supports_bf16 = false
supports_gradient_checkpointing = false  # Incompatible with LoRA on MPS
max_lora_rank = 8
recommended_gradient_accumulation = 2
"""

EXPERT = """\
[experts.oracle-rauru-assembler]
display_name = "Oracle: Rauru Assembler"
role = "asm"
group = "rom-tooling"
base_model = "Qwen/Qwen2.5-Coder-1.5B"
context_window = 8192
specialization = "65816 assembly, ALTTP routines, ROM patching"
"""

LORA = """\
[lora.minimal]
# For memory-constrained systems (Mac MPS)
r = 8
lora_alpha = 8
target_modules = ["q_proj", "k_proj", "v_proj", "o_proj"]

[lora.standard]
# Balanced configuration
r = 16
lora_alpha = 16
target_modules = ["q_proj", "k_proj", "v_proj", "o_proj"]

[lora.full]
# Maximum quality (requires more VRAM)
r = 32
lora_alpha = 32
target_modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""

HYPERPARAMETERS = """\
[hyperparameters.default]
num_epochs = 1
learning_rate = 2e-4
warmup_steps = 50
weight_decay = 0.01
lr_scheduler = "linear"

[hyperparameters.production]
num_epochs = 3
learning_rate = 2e-4
warmup_steps = 100
"""

PRESET = """\
[presets.oracle-rauru-mac]
expert = "oracle-rauru-assembler"
hardware = "mac-mps"
dataset = "alttp_yaze_full"
hyperparameters = "default"
lora = "minimal"
sequence_length = 1024
batch_size = 1
gradient_accumulation = 2
"""

CUSTOM_PRESET = """\
[presets.my-custom-training]
expert = "oracle-sheik-debugger"
hardware = "mac-mps"
dataset = "alttp_yaze_full"
hyperparameters = "production"  # 3 epochs instead of 1
lora = "standard"  # Try higher rank if it fits
sequence_length = 1024
batch_size = 1
gradient_accumulation = 4  # Larger effective batch
"""

NEW_HARDWARE = """\
[hardware.my-workstation]
name = "My RTX 4090 Workstation"
device = "cuda"
available_memory_gb = 24
max_batch_size = 4
max_sequence_length = 4096
supports_fp16 = true
supports_bf16 = true
supports_gradient_checkpointing = true
max_lora_rank = 32
recommended_gradient_accumulation = 2
"""

NEW_EXPERT = '''\
[experts.oracle-purah-profiler]
display_name = "Oracle: Purah Profiler"
role = "performance"
group = "rom-tooling"
base_model = "Qwen/Qwen2.5-Coder-1.5B"
context_window = 8192
specialization = "Performance tuning and WRAM/VRAM sanity"
prompt_template = """Below is a performance analysis task{context}. Provide optimization recommendations.

### Task:
{instruction}
{input_section}
### Analysis:
{output}"""
'''

NEW_DATASET = """\
[datasets.my_dataset]
path = "~/.context/training/datasets/my_dataset_20251222"
description = "My custom training dataset"
train_split = "train.jsonl"
val_split = "val.jsonl"
test_split = "test.jsonl"
quality_threshold = 0.6
domains = ["asm", "debugging"]
"""

NEW_PRESET = """\
[presets.oracle-purah-cloud]
expert = "oracle-purah-profiler"
hardware = "cloud-rtx-4090"
dataset = "my_dataset"
hyperparameters = "production"
lora = "standard"
sequence_length = 2048
batch_size = 4
gradient_accumulation = 2
"""

LESS_MEMORY = """\
[hardware.mac-mps]
max_sequence_length = 512  # Reduce from 1024
max_lora_rank = 4          # Reduce from 8
"""

STRUCTURE = [HARDWARE, EXPERT, LORA, HYPERPARAMETERS, PRESET]
"""Its section "Configuration Structure"."""

ADDITIONS = [NEW_HARDWARE, NEW_EXPERT, NEW_DATASET, NEW_PRESET]
"""Its section "Adding New Components"."""

# Its commands, with `traindeck train` for `python scripts/train.py`.
LISTS = [
    "traindeck train --list-presets",
    "traindeck train --list-experts",
    "traindeck train --list-hardware",
]
TRAINS = [
    "traindeck train oracle-rauru-mac",
    "traindeck train oracle-rauru-cloud",
    "traindeck train oracle-rauru-mac --verbose",
    "traindeck train my-custom-training",
    "traindeck train oracle-rauru-mac --config my_config.toml",
]

METADATA = """\
{
  "expert": {
    "name": "Oracle: Rauru Assembler",
    "role": "asm",
    "group": "rom-tooling",
    "specialization": "65816 assembly, ALTTP routines, ROM patching"
  },
  "model": {
    "base": "Qwen/Qwen2.5-Coder-1.5B",
    "lora_rank": 8,
    "lora_alpha": 8
  },
  "training": {
    "dataset": "/Users/scawful/Mounts/mm-d/.context/training/datasets/alttp_yaze_full_1000_20251221_195746",
    "num_samples": 504,
    "num_epochs": 1,
    "batch_size": 1,
    "gradient_accumulation": 2,
    "learning_rate": 0.0002,
    "sequence_length": 1024,
    "duration_seconds": 3847.2,
    "duration_minutes": 64.12
  },
  "hardware": {
    "name": "Mac M1/M2/M3 with MPS",
    "device": "mps",
    "fp16": true,
    "bf16": false
  },
  "metadata": {
    "created": "2025-12-22T00:09:14.123456",
    "git_commit": "a1b2c3d4"
  }
}
"""
