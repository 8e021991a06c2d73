"""What a failure says: it never invites anybody to pay twice."""

from __future__ import annotations

from itertools import product

import pytest
from heliograph.kernel.failures import Charged, Failure, FailureCode
from pydantic import ValidationError


@pytest.mark.parametrize(("retryable", "charged"), list(product((True, False), Charged)))
def test_only_what_is_known_to_be_free_may_be_retryable(retryable: bool, charged: Charged) -> None:
    document = {"code": FailureCode.PROVIDER_FAILED, "message": "m", "retryable": retryable, "charged": charged}
    if retryable and charged is not Charged.NO:
        with pytest.raises(ValidationError, match="not retryable"):
            Failure.model_validate(document)
    else:
        assert Failure.model_validate(document).charged is charged
