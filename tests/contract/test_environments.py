"""The environment of each function: exactly what its settings model reads, and never more than Lambda takes."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from itertools import count, product
from string import ascii_lowercase
from typing import Any

import botocore.session
import pytest
from heliograph.kernel.tenants import Period
from heliograph.runtime.environment import read_settings, variables_of
from heliograph.runtime.settings.ending import EndingSettings
from heliograph.runtime.settings.jobs import JobStoreSettings
from heliograph.runtime.settings.operations import OperationsSettings
from heliograph.runtime.settings.routing import RoutesSettings
from heliograph.runtime.settings.submit_job import SubmitJobSettings
from heliograph.runtime.settings.submit_upload import SubmitUploadSettings
from heliograph.runtime.settings.tenancy import TenancySettings

from operations.parameters import LONGEST_STACK_NAME
from tests.contract.cfn_template import FUNCTIONS, GLOBALS, ROOT, TEMPLATE, environment_of, names_in, resources_of
from tests.contract.cfn_template import variables_of as given
from tests.contract.function_settings import EVERY_SETTING, FOLDERS, given_to, settings_name, settings_of
from tests.contract.longest import Longest, Place
from tests.contract.transformed import transformed_template

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: for all variables of a function together.
MOST_BYTES = 4096
PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_is_given_exactly_the_variables_that_its_model_reads(folder: str) -> None:
    assert given_to(folder) == variables_of(settings_of(folder))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_reads_its_own_model_and_no_other(folder: str) -> None:
    tree = ast.parse((ROOT / "functions" / folder / "app.py").read_text())
    read = [
        ast.unparse(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "read_settings"
    ]
    assert read == [settings_name(folder)]


def test_what_every_function_is_given_is_for_the_libraries_alone() -> None:
    assert set(GLOBALS["Environment"]["Variables"]) == {
        "AWS_CA_BUNDLE",
        "PYDANTIC_DISABLE_PLUGINS",
        "POWERTOOLS_METRICS_NAMESPACE",
        "POWERTOOLS_TRACE_DISABLED",
    }


@pytest.mark.parametrize("variable", sorted(EVERY_SETTING))
def test_a_variable_has_one_value_in_all_functions_that_are_given_it(variable: str) -> None:
    place, *_ = places()
    values = {longest(place).variables_of(FOLDERS[folder]).get(variable) for folder in FOLDERS} - {None}
    assert len(values) == 1


def can_be_empty(value: Any, *, given: frozenset[str] = frozenset()) -> bool:
    """Whether some deployment gives an empty text. `given`: parameters that a condition has found not to be empty."""
    match value:
        case {"Fn::If": [str(condition), then, otherwise]}:
            match TEMPLATE["Conditions"][condition]:
                case {"Fn::Not": [{"Fn::Equals": [{"Ref": str(name)}, ""]}]}:
                    found = given | {name}
                case _:
                    found = given
            return can_be_empty(then, given=found) or can_be_empty(otherwise, given=given)
        case {"Ref": str(name)} if name in PARAMETERS:
            return name not in given and re.fullmatch(PARAMETERS[name].get("AllowedPattern", "."), "") is not None
        case _:
            return bool(value == "")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_variable_is_ever_empty(function: str) -> None:
    # Not everything that starts a process passes an empty variable on; a missing one is a fault.
    assert not [name for name, value in environment_of(function).items() if can_be_empty(value)]


# ARNs and URLs are of something that is called otherwise.
CALLED_OTHERWISE = {
    "API_KEY_SECRET": {"ApiKey"},
    "PROVIDER_KEY_SECRET": {"ProviderKey"},
    "DELIVERY_MACHINE_ARN": {"WebhookDelivery"},
    "STATE_MACHINE_ARN": {"ImageJob", "AWS::Partition", "AWS::Region", "AWS::AccountId", "AWS::StackName"},
    "IMAGES_URL": {"CreateOpenAiImagesUrl"},
    "CALLBACK_BASE_URL": {"Api", "AWS::Region", "AWS::URLSuffix"},
}


@pytest.mark.parametrize("variable", sorted(EVERY_SETTING))
def test_a_variable_is_called_as_what_it_holds(variable: str) -> None:
    same = "".join(word.capitalize() for word in variable.split("_"))
    values = [environment_of(name)[variable] for name in FUNCTIONS if variable in environment_of(name)]
    assert all(names_in(value) <= CALLED_OTHERWISE.get(variable, {same}) for value in values)
    assert all(names_in(value) for value in values)


def test_operations_find_every_variable_that_they_read_in_two_functions() -> None:
    assert variables_of(OperationsSettings) <= given_to("sweep_jobs") | given_to("manage_keys")
    assert not {name for name in variables_of(OperationsSettings) if name.startswith("AWS_")}


def test_no_setting_has_a_default_that_hides_a_missing_variable() -> None:
    fields = [field for folder in FOLDERS for field in settings_of(folder).model_fields.values()]
    assert all(field.is_required() for field in fields)


# ---- The template's parameters and the models


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_templates_own_defaults_are_settings_that_work(folder: str) -> None:
    read_settings(settings_of(folder), given(FOLDERS[folder]))


def test_the_templates_own_defaults_are_told() -> None:
    routes = read_settings(RoutesSettings, given("SweepJobs"))
    assert [route.name for route in routes.routes] == ["gpt-image-2-beta", "gpt-image-2", "kie-gpt-image-2"]
    assert [route.price_usd for route in routes.routes] == ["0.06", "0.05", "0.03"]
    assert [route.max_references for route in routes.routes] == [16, 10, 16]
    # The second provider is off until somebody has a key for it.
    assert [route.provider for route in routes.usable_routes] == ["apimodels", "apimodels"]
    assert read_settings(EndingSettings, given("SweepJobs")).result_origins == {
        "https://r2.apimodels.app",
        "https://tempfile.aiquickdraw.com",
    }
    assert read_settings(TenancySettings, given("SweepJobs")).tenancy.limit("*", Period.DAY) is None


@pytest.mark.parametrize(("key", "bound"), [("MinValue", "minimum"), ("MaxValue", "maximum")])
@pytest.mark.parametrize(
    ("model", "parameter"),
    [(SubmitJobSettings, "JobDeadlineSeconds"), (SubmitUploadSettings, "UploadDeadlineSeconds")],
)
def test_the_template_and_the_code_bound_the_deadlines_alike(model: Any, parameter: str, key: str, bound: str) -> None:
    setting = re.sub(r"(?<!^)(?=[A-Z])", "_", parameter).lower()
    assert model.model_json_schema()["properties"][setting][bound] == int(PARAMETERS[parameter][key])


def test_the_template_and_the_code_keep_records_as_long() -> None:
    schema = JobStoreSettings.model_json_schema()["properties"]["job_retention_days"]
    assert schema["minimum"] == int(PARAMETERS["JobRetentionDays"]["MinValue"])


# ---- Lambda's 4 KB


def tenants_with_budgets(characters: int) -> tuple[str, int]:
    """As many tenants with a weight and two budgets as fit, without spaces; and how many those are."""
    limits = {"weight": 2, "daily_budget_usd": "25", "monthly_budget_usd": "400"}
    return _fitting(characters, ({f"shop{number}": limits} for number in count(1)), "{}")


def tenants_of_nothing_but_names(characters: int) -> tuple[str, int]:
    """The shortest names with nothing said of them: no valid document has more quotes in as many characters."""
    letters = [*ascii_lowercase, *"0123456789"]
    names = (*letters, *map("".join, product(letters, letters)))
    return _fitting(characters, ({name: {}} for name in names), "{}")


def plain_routes(characters: int) -> tuple[str, int]:
    """As many routes as fit, of which nothing is said but what must be."""
    route = {"provider": "apimodels", "model": "gpt-image-2", "price_usd": "0.05", "max_references": 10}
    return _fitting(characters, ([route | {"model": f"gpt-image-{number}"}] for number in count(1)), "[]")


def routes_with_every_ratio(characters: int) -> tuple[str, int]:
    """As many routes as fit that list their ratios, which are many short texts: quotes above all."""
    ratios = ["auto", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"]
    route = {"provider": "kie", "price_usd": "1", "max_references": 0, "aspect_ratios": ratios}
    return _fitting(characters, ([route | {"model": letter}] for letter in ascii_lowercase), "[]")


def _fitting(characters: int, parts: Any, brackets: str) -> tuple[str, int]:
    text, number = "", 0
    for part in parts:
        more = text + ("," if text else "") + json.dumps(part, separators=(",", ":"))[1:-1]
        if len(more) > characters - len(brackets):
            # Spaces are part of a value too.
            return brackets[0] + text.ljust(characters - len(brackets)) + brackets[1], number
        text, number = more, number + 1
    raise AssertionError(characters)


# How the longest value of a parameter begins; its last character is repeated.
BEGINNINGS = {
    "ResultOrigins": "https://a",
    "ProviderBaseUrl": "https://a/a",
    "KieBaseUrl": "https://a/a",
    "KieKeySecret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:a",
    "ModelAliases": "a",
    "DailyBudgetUsd": "999999999.9",
    "MonthlyBudgetUsd": "999999999.9",
}


def longest_of(parameter: str) -> str:
    """A value as long as the template lets it be."""
    declared = PARAMETERS[parameter]
    if "AllowedValues" in declared:
        return max(map(str, declared["AllowedValues"]), key=len)
    if declared["Type"] == "Number":
        return str(declared["MaxValue"])
    characters = int(declared["MaxLength"])
    if parameter == "Tenants":
        return tenants_of_nothing_but_names(characters)[0]
    if parameter == "Routes":
        documents = (plain_routes(characters)[0], routes_with_every_ratio(characters)[0])
        return max(documents, key=lambda text: len(json.dumps(text)))
    beginning = BEGINNINGS[parameter]
    return beginning.ljust(characters, beginning[-1])


@cache
def given_parameters() -> frozenset[str]:
    """The parameters that some function is given."""
    variables = [
        properties.get("Environment", {}).get("Variables", {}) for properties in (GLOBALS, *FUNCTIONS.values())
    ]
    return frozenset(names_in(variables) & set(PARAMETERS))


def places() -> list[Place]:
    """Of every partition, the Region with the longest name."""
    partitions = botocore.session.get_session().get_data("partitions")["partitions"]
    return [
        Place(partition["id"], max(partition["regions"], key=len), partition["outputs"]["dnsSuffix"])
        for partition in partitions
    ]


@cache
def longest(place: Place) -> Longest:
    return Longest(transformed_template(), {name: longest_of(name) for name in given_parameters()}, place)


@pytest.mark.parametrize("place", places(), ids=lambda place: place.partition)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_variables_fit_with_every_parameter_at_its_longest(function: str, place: Place) -> None:
    variables = longest(place).variables_of(function)
    bare = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
    # A refusal of Lambda's shows the text that it measured, which is JSON with its quotes escaped:
    # https://github.com/github-aws-runners/terraform-aws-github-runner/issues/3594
    as_json = len(json.dumps(variables, separators=(",", ":")).encode())
    assert max(bare, as_json) <= MOST_BYTES


@pytest.mark.parametrize("parameter", sorted(given_parameters()))
def test_the_longest_value_of_a_parameter_is_one_that_the_template_takes(parameter: str) -> None:
    declared, value = PARAMETERS[parameter], longest_of(parameter)
    assert len(value) == int(declared.get("MaxLength", len(value)))
    assert re.fullmatch(declared.get("AllowedPattern", ".*"), value)
    assert len(str(declared["Default"])) <= int(declared.get("MaxLength", 4096))


@pytest.mark.parametrize("parameter", sorted(given_parameters()))
def test_no_character_of_a_parameter_takes_more_than_two_bytes(parameter: str) -> None:
    # CloudFormation counts characters, Lambda the bytes of a JSON text: what it writes as six is never let in.
    for character in ("é", "\n", "\t", "\\", "\x1f", "\N{PILE OF POO}"):
        value = longest_of(parameter)
        spoiled = value[:-2] + character + value[-1]
        if "AllowedPattern" in PARAMETERS[parameter]:
            assert not re.fullmatch(PARAMETERS[parameter]["AllowedPattern"], spoiled)


def test_how_many_tenants_and_routes_fit_is_told_as_it_is() -> None:
    _, tenants = tenants_with_budgets(int(PARAMETERS["Tenants"]["MaxLength"]))
    _, routes = plain_routes(int(PARAMETERS["Routes"]["MaxLength"]))
    for field in ("Description", "ConstraintDescription"):
        assert f"bout {tenants} tenants" in PARAMETERS["Tenants"][field]
    assert f"about {routes} routes" in PARAMETERS["Routes"]["ConstraintDescription"]


@pytest.mark.parametrize("parameter", sorted(name for name in given_parameters() if "MaxLength" in PARAMETERS[name]))
def test_a_refusal_of_cloudformation_says_how_the_value_should_be(parameter: str) -> None:
    told = PARAMETERS[parameter]["ConstraintDescription"]
    assert told.startswith("must be ")
    assert parameter.endswith("BudgetUsd") or f"{PARAMETERS[parameter]['MaxLength']} characters at most" in told


def test_a_stack_name_is_as_long_as_the_names_of_its_state_machines_let_it_be() -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    machine_name_characters = 80
    names = [machine["Name"]["Fn::Sub"] for machine in resources_of("AWS::Serverless::StateMachine").values()]
    added = max(len(name.replace("${AWS::StackName}", "")) for name in names)
    assert machine_name_characters - added == LONGEST_STACK_NAME
