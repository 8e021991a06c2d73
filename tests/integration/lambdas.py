"""Functions, started anew as Lambda starts them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from heliograph.platform.secrets import forget_secrets

from tests.contract.cfn_template import ROOT
from tests.contract.function_settings import EVERY_SETTING, given_to

Handler = Callable[..., Any]


@dataclass(frozen=True)
class Context:
    """What Lambda tells a function about its call."""

    function_name: str = "heliograph"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:heliograph"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"
    remaining_time_in_millis: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        """As Lambda's own."""
        return self.remaining_time_in_millis


def started(name: str) -> Handler:
    """The handler of a function that was just started: its module is new, its settings are read anew.

    Of all settings in the environment it finds those that template.yaml gives it, and no other function's.
    """
    forget_secrets()
    path = ROOT / "functions" / name / "app.py"
    spec = importlib.util.spec_from_file_location(f"started_{name}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with patch.dict(os.environ):
        for foreign in EVERY_SETTING - given_to(name):
            os.environ.pop(foreign, None)
        spec.loader.exec_module(module)
    handler: Callable[[Any, Any], Any] = module.handler

    def called(event: Any, context: Context = Context()) -> Any:
        return handler(event, context)

    return called
