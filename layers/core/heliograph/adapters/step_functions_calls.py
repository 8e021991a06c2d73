"""What all calls of AWS Step Functions have in common."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from heliograph.domain.errors import WorkflowFailed

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def translated(about: str) -> Iterator[None]:
    """Raises `WorkflowFailed` for whatever AWS says inside; `about` names whose call it was."""
    try:
        yield
    except ClientError as error:
        raise WorkflowFailed(f"{about}: {error.response.get('Error', {}).get('Code')}") from error
    except BotoCoreError as error:
        raise WorkflowFailed(f"{about}: {type(error).__name__}") from error
