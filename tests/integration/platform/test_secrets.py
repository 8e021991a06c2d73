"""`read_secret` against moto's Secrets Manager."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from heliograph.kernel.errors import StorageFailed
from heliograph.platform.secrets import forget_secrets, read_secret

from tests.integration.conftest import secrets_manager

SECRET = "sk_madeUpForTheseTests1234"


def made(**value: Any) -> str:
    return str(secrets_manager().create_secret(Name="ProviderKey", **value)["ARN"])


@pytest.mark.parametrize("text", [SECRET, f"{SECRET}\n", f"  {SECRET}\r\n"])
def test_a_secret_is_read_without_the_line_break_that_came_with_it(cloud: None, text: str) -> None:
    assert read_secret(made(SecretString=text)) == SECRET


def test_a_secret_stored_as_bytes_is_read(cloud: None) -> None:
    assert read_secret(made(SecretBinary=SECRET.encode())) == SECRET


def test_a_secret_whose_value_was_never_set_is_a_failed_storage(cloud: None) -> None:
    with pytest.raises(StorageFailed, match="its value was never set"):
        read_secret(made())


def test_a_secret_that_is_no_text_is_a_failed_storage_that_shows_none_of_it(cloud: None) -> None:
    with pytest.raises(StorageFailed, match="its value is no text") as caught:
        read_secret(made(SecretBinary=b"\xff\xfe\xfd"))
    shown = "".join(traceback.format_exception(caught.value))
    assert "0xff" not in shown


@pytest.mark.parametrize("blank", [" ", "\n", "\t \n"])
def test_a_blank_secret_is_a_failed_storage(cloud: None, blank: str) -> None:
    with pytest.raises(StorageFailed, match="never set"):
        read_secret(made(SecretString=blank))


def test_a_secret_that_is_not_there_is_a_failed_storage(cloud: None) -> None:
    with pytest.raises(StorageFailed):
        read_secret("arn:aws:secretsmanager:eu-central-1:123456789012:secret:nowhere-AbCdEf")


def test_a_changed_secret_is_in_use_once_the_cache_is_old(cloud: None) -> None:
    arn = made(SecretString="sk_theFormerOneOfThese1234")
    read_secret(arn)
    secrets_manager().put_secret_value(SecretId=arn, SecretString=SECRET)
    assert read_secret(arn) == "sk_theFormerOneOfThese1234"
    forget_secrets()
    assert read_secret(arn) == SECRET
