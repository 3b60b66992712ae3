"""LoRA: a language model of Hugging Face's learns a task by a small adapter beside its frozen weights."""
