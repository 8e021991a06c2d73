"""The settings model of each function, by the folder of the function."""

from __future__ import annotations

from importlib import import_module

from heliograph.runtime.environment import Settings, variables_of

from tests.contract.cfn_template import FUNCTIONS, environment_of

# The folder of each function, and its name in the template.
FOLDERS = {function["CodeUri"].removeprefix("functions/"): name for name, function in FUNCTIONS.items()}
# What the libraries read, and no settings model.
_OF_LIBRARIES = ("AWS_", "POWERTOOLS_", "PYDANTIC_")


def settings_name(folder: str) -> str:
    """`submit_upload` has `SubmitUploadSettings`: its name in the template, then `Settings`."""
    return f"{FOLDERS[folder]}Settings"


def settings_of(folder: str) -> type[Settings]:
    """The model that the function reads."""
    module = import_module(f"heliograph.runtime.settings.{folder}")
    model: type[Settings] = getattr(module, settings_name(folder))
    return model


def given_to(folder: str) -> frozenset[str]:
    """The variables that template.yaml gives to the function, without those that libraries read."""
    return frozenset(name for name in environment_of(FOLDERS[folder]) if not name.startswith(_OF_LIBRARIES))


EVERY_SETTING = frozenset().union(*(variables_of(settings_of(folder)) for folder in FOLDERS))
