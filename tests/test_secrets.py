"""One rule for what is a secret."""

from __future__ import annotations

import pytest

from trainer.config.schema import fields
from trainer.secrets import has_password, is_secret_key, is_secret_name, mask, mask_words

SECRETS = [
    "api_key",
    "apikey",
    "apiKey",
    "API_KEY",
    "token",
    "hf_token",
    "hfToken",
    "HFToken",
    "HF_TOKEN",
    "auth_token",
    "access-token",
    "secret",
    "client_secret",
    "password",
    "db.password",
    "passwd",
    "passphrase",
    "private_key",
    "aws_secret_access_key",
    "AWS_ACCESS_KEY_ID",
    "access_key",
    "credential",
    "credentials",
    "wandb_key",
    "WANDB_API_KEY",
    "GITHUB_TOKEN",
    "--api-key",
    "STRIPE_KEY",
]
PLAIN = [
    "tokens",
    "max_tokens",
    "tokenizer",
    "tokenizer_path",
    "pad_token",
    "eos_token",
    "token_id",
    "pad_token_id",
    "num_tokens",
    "n_tokens",
    "token_corruption",
    "resume_token_corruption",
    "mask_token",
    "key",
    "keys",
    "sort_key",
    "monkey",
    "keyboard",
    "query_key",
    "public_key",
    "num_key_value_heads",
    "key_dim",
    "password_file",
    "private_key_path",
    "secretary",
    "compass",
    "CUBLAS_WORKSPACE_CONFIG",
    "PWD",
    "next_token",
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_by_its_name(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_that_only_looks_like_one(name: str) -> None:
    assert not is_secret_name(name)


def test_no_key_of_the_schema_is_taken_for_a_secret() -> None:
    assert [key for key in fields() if is_secret_key(key)] == []


def test_a_section_of_secrets_and_a_section_about_tokens() -> None:
    assert is_secret_key("logger.wandb.credentials.user")
    assert is_secret_key("data.api_keys.0")
    assert not is_secret_key("model.token.dim")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("logger.wandb.api_key=abc def", "logger.wandb.api_key=***"),
        ("+data.token='a=b'", "+data.token=***"),
        ("logger.wandb={api_key: abc, project: p}", "logger.wandb={api_key: ***, project: p}"),
        ("data={'password':'x y',n:1}", "data={'password':***,n:1}"),
        ("uri=https://me:pw@host/x", "uri=https://***@host/x"),
        ("uri=https://tok@host/x", "uri=https://***@host/x"),
        ("postgres://me:p@w@host/x", "postgres://***@host/x"),
        ("https://host/x?token=abc&n=1", "https://host/x?token=***&n=1"),
        ("logger.wandb.api_key=null", "logger.wandb.api_key=null"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("https://host:80/a@b", "https://host:80/a@b"),
        ("model.pad_token=x", "model.pad_token=x"),
        ("trainer.max_epochs=3", "trainer.max_epochs=3"),
    ],
)
def test_masking_a_text(text: str, shown: str) -> None:
    assert mask(text) == shown
    assert mask(shown) == shown


def test_masking_a_command_line() -> None:
    words = ["x.py", "--api-key", "K", "--token=Y", "--lr", "0.1", "--password", "--quiet", "a"]
    assert mask_words(words) == [
        *("x.py", "--api-key", "***", "--token=***", "--lr", "0.1", "--password", "--quiet", "a")
    ]


def test_an_address_with_a_password() -> None:
    assert has_password("https://u:p@host")
    assert not has_password("https://host/u@v")
