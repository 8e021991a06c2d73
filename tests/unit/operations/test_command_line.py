"""The operator's command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from operations.__main__ import _parser
from operations.command_line import place_of


def commands() -> Iterator[argparse.ArgumentParser]:
    for action in _parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: command.prog)
def test_every_option_of_every_command_has_a_help_text(command: argparse.ArgumentParser) -> None:
    assert command.description
    assert [option.dest for option in command._actions if not option.help] == []
    assert {"stack", "region"} <= {option.dest for option in command._actions}


@pytest.mark.parametrize("command", ["disable-route gpt-image-2", "pause-spending"])
def test_a_reason_is_asked_for_and_must_say_something(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for reason in ([], ["--reason", "  "]):
        with pytest.raises(SystemExit):
            _parser().parse_args([*command.split(), *reason])
    assert "give a reason, for other operators" in capsys.readouterr().err


def test_a_stack_named_before_the_command_is_kept() -> None:
    before, after = (
        _parser().parse_args(arguments) for arguments in (["--stack", "shop", "routes"], ["routes", "--stack", "shop"])
    )
    assert (before.stack, after.stack) == ("shop", "shop")
    assert place_of(_parser().parse_args(["routes"])).stack == "heliograph"
