"""`PARAMETERS='…'` of `make deploy`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samcli.cli.types import CfnParameterOverridesType

from operations.refusals import Refused
from operations.sam import _quoted
from operations.typed_parameters import read_typed


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        ("  DailyBudgetUsd=25 ", {"DailyBudgetUsd": "25"}),
        ("DailyBudgetUsd=25 Alarms=off", {"DailyBudgetUsd": "25", "Alarms": "off"}),
        ("DailyBudgetUsd= Alarms=off", {"DailyBudgetUsd": "", "Alarms": "off"}),
        ('Tenants={"shop": {"weight": 2}} Alarms=off', {"Tenants": '{"shop": {"weight": 2}}', "Alarms": "off"}),
        ('Routes=[{"name": "a b=c"}]', {"Routes": '[{"name": "a b=c"}]'}),
        ("""Tenants='{"shop": {}}' Alarms="off" """, {"Tenants": '{"shop": {}}', "Alarms": "off"}),
        (r'Release="of \"today\""', {"Release": 'of "today"'}),
        ("KieBaseUrl=https://api.kie.ai/api/v1?a=b", {"KieBaseUrl": "https://api.kie.ai/api/v1?a=b"}),
    ],
)
def test_parameters_are_read_as_they_are_meant(text: str, parameters: dict[str, str]) -> None:
    assert read_typed(text) == parameters


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("25", "write Name=value"),
        ("DailyBudgetUsd = 25", "write Name=value"),
        ("DailyBudgetUsd=25 dollars", "write Name=value"),
        ("Alarms=on Alarms=off", "names Alarms twice"),
        ('Tenants={"shop"}', "Tenants is not valid JSON"),
        ('Tenants={"shop": {}}Alarms=off', "put a space between"),
    ],
)
def test_what_can_not_be_read_is_refused_and_named(text: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        read_typed(text)


@given(st.text(alphabet="a =\\\"'{}[]:,\n", max_size=16))
def test_whatever_a_value_is_sam_reads_it_as_it_is(value: str) -> None:
    assert CfnParameterOverridesType().convert({"Tenants": _quoted(value)}, None, None) == {"Tenants": value}
