"""`make deploy`, with the real SAM CLI: what it asks, and which parameters CloudFormation receives from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from operations import deploy as program
from operations import sam
from operations.deploy import Builder, Wanted, deploy
from operations.places import TEMPLATE
from operations.provider_key import enter_key
from operations.refusals import Refused
from operations.samconfig import SAMCONFIG, Environment, read_environment
from operations.stacks import Account
from operations.template import read_template
from operations.typed_parameters import read_typed
from tests.integration.aws_over_tls import REGION, TlsAws, aws_over_tls
from tests.integration.played_cloudformation import PlayedStack, Refusal

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
RELEASE = "20261128T120000Z"
ELSEWHERE = "eu-west-3"
KEY = "sk_madeUpForTheseTests1234"
ROUTES = '[{"provider": "apimodels", "model": "gpt-image-2", "price_usd": "0.05", "max_references": 10}]'
# Nobody listens there.
NO_PROVIDER = "ProviderBaseUrl=http://127.0.0.1:9/v1"
DEPLOYED = {
    "DailyBudgetUsd": "25",
    "MonthlyBudgetUsd": "400",
    "Tenants": '{"shop": {"weight": 2, "daily_budget_usd": "5"}}',
    "Routes": ROUTES,
    "KieKeySecret": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:kie-AbCdEf",
    "AlarmTopic": "arn:aws:sns:eu-central-1:123456789012:alarms",
    "Architecture": "x86_64",
    "SnapStart": "authorizer",
    "Release": "an earlier one",
}


@dataclass
class Person:
    """Somebody at a terminal who types these answers, and then Ctrl-C."""

    answers: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    is_attended: bool = True

    def ask(self, question: str, usual: str = "") -> str:
        self.questions.append(f"{question} [{usual}]")
        if not self.answers:
            raise KeyboardInterrupt
        return self.answers.pop(0) or usual

    def ask_secretly(self, question: str) -> str:
        self.questions.append(question)
        if not self.keys:
            raise KeyboardInterrupt
        return self.keys.pop(0)


@dataclass
class SamWithoutItsBuild:
    """The SAM CLI, which deploys the template as it is: to build the layer takes a minute, and is tested end to end."""

    built_for: list[str] = field(default_factory=list)

    def build(self, architecture: str) -> Path:
        self.built_for.append(architecture)
        return TEMPLATE

    def deploy(
        self,
        template: Path,
        *,
        stack: str,
        region: str,
        parameters: Mapping[str, str],
        environment: Environment | None,
    ) -> bool:
        return sam.deploy(template, stack=stack, region=region, parameters=parameters, environment=environment)


@dataclass
class PlayedSam:
    """What becomes of a deployment, without the seconds that sam takes."""

    aws: TlsAws
    ends_as: str | None = None
    is_interrupted: bool = False
    built_for: list[str] = field(default_factory=list)
    sent: dict[str, str] | None = None

    def build(self, architecture: str) -> Path:
        self.built_for.append(architecture)
        return TEMPLATE

    def deploy(
        self,
        template: Path,
        *,
        stack: str,
        region: str,
        parameters: Mapping[str, str],
        environment: Environment | None,
    ) -> bool:
        if self.is_interrupted:
            raise KeyboardInterrupt
        self.sent = dict(parameters)
        there = self.aws.cloudformation.stacks.setdefault(
            stack, PlayedStack(stack, outputs=self.aws.cloudformation.outputs)
        )
        there.status = self.ends_as or "UPDATE_COMPLETE"
        return self.ends_as is None


@pytest.fixture(scope="module")
def empty_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsAws]:
    with aws_over_tls(tmp_path_factory.mktemp("tls")) as aws:
        yield aws


@pytest.fixture
def aws(empty_aws: TlsAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TlsAws:
    """A person's account without the stack, as this process and the SAM CLI reach it."""
    for name, value in empty_aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("SAM_CLI_POLL_DELAY", "0.01")
    # So that sam looks for no newer version of itself.
    (tmp_path / "metadata.json").write_text(json.dumps({"lastVersionCheck": 253402300799.0}))
    monkeypatch.setenv("__SAM_CLI_APP_DIR", str(tmp_path))
    empty_aws.cloudformation.__init__()  # type: ignore[misc]
    secret = f"key-of-{tmp_path.name}"
    for region in (REGION, ELSEWHERE):
        empty_aws.client("secretsmanager", region).create_secret(Name=secret)
    empty_aws.cloudformation.outputs = {
        "ProviderKeySecret": secret,
        "ApiKeySecret": "own",
        "ApiUrl": "https://api",
        "PlaygroundUrl": "https://api/playground",
    }
    empty_aws.cloudformation.add(
        PlayedStack(
            "aws-sam-cli-managed-default",
            outputs={"SourceBucket": "sam-artifacts"},
            tags={"ManagedStackSource": "AwsSamCli"},
        )
    )
    empty_aws.calls.clear()
    empty_aws.regions.clear()
    return empty_aws


def deployed(aws: TlsAws, **changed: str) -> PlayedStack:
    """The stack, as an earlier deployment left it."""
    parameters = {**read_template().defaults, **DEPLOYED, **changed}
    return aws.cloudformation.add(PlayedStack("heliograph", parameters=parameters, outputs=aws.cloudformation.outputs))


def with_a_key(aws: TlsAws) -> None:
    aws.client("secretsmanager").put_secret_value(
        SecretId=aws.cloudformation.outputs["ProviderKeySecret"], SecretString=KEY
    )


def stored_key(aws: TlsAws) -> str:
    secret = aws.cloudformation.outputs["ProviderKeySecret"]
    return str(aws.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])


def wanted(*, stack: str = "heliograph", region: str | None = None, parameters: str = "", **more: str) -> Wanted:
    return Wanted(account=Account.here(region), stack=stack, named={**read_typed(parameters), **more})


def run(wanted: Wanted, builder: Builder, person: Person | None = None) -> Person:
    person = person or Person()
    deploy(wanted, terminal=person, builder=builder, now=NOW)
    return person


# --- With the SAM CLI itself


def test_a_second_deployment_keeps_every_parameter_that_is_not_named_and_asks_nothing(aws: TlsAws) -> None:
    stack, builder, before = deployed(aws), SamWithoutItsBuild(), SAMCONFIG.read_bytes()
    # As if this release had brought it.
    del stack.parameters["Tracing"]
    with_a_key(aws)

    person = run(wanted(), builder)

    (sent,) = aws.cloudformation.change_sets
    assert sent == {**{name: None for name in read_template().defaults if name != "Tracing"}, "Release": RELEASE}
    assert {name: stack.parameters[name] for name in DEPLOYED} == {**DEPLOYED, "Release": RELEASE}
    assert builder.built_for == ["x86_64"]
    assert person.questions == []
    assert SAMCONFIG.read_bytes() == before


def test_what_is_named_is_changed_letter_by_letter_and_nothing_else(aws: TlsAws) -> None:
    deployed(aws)
    with_a_key(aws)
    tenants = '{"shop": {"weight": 3}, "blog": {"daily_budget_usd": "1"}}'
    odd = r"""arn:aws:sns:eu-central-1:123456789012:a "quoted\" \'name\' with \ backslashes\n"""

    run(
        wanted(parameters=f"DailyBudgetUsd=30 Tenants={tenants} Architecture=arm64", AlarmTopic=odd),
        SamWithoutItsBuild(),
    )

    (sent,) = aws.cloudformation.change_sets
    assert {name: value for name, value in sent.items() if value is not None} == {
        "DailyBudgetUsd": "30",
        "Tenants": tenants,
        "Architecture": "arm64",
        "AlarmTopic": odd,
        "Release": RELEASE,
    }


def test_a_first_deployment_asks_four_questions_and_then_nothing(
    aws: TlsAws, capfd: pytest.CaptureFixture[str]
) -> None:
    before = SAMCONFIG.read_bytes()

    person = run(wanted(parameters=NO_PROVIDER), SamWithoutItsBuild(), Person(["", "", ""], [KEY]))

    (sent,) = aws.cloudformation.change_sets
    assert sent == {"DailyBudgetUsd": "25", "ProviderBaseUrl": "http://127.0.0.1:9/v1", "Release": RELEASE}
    assert person.questions == [
        "AWS Region [eu-central-1]",
        "Name of the stack [heliograph]",
        "Daily budget in USD (none: no limit) [25]",
        "The API key of apimodels.app (sk_…; it is not shown; Enter: later, with make key)",
    ]
    assert stored_key(aws) == KEY
    said = "".join(capfd.readouterr())
    assert "about $7.80 a month" in said
    assert "https://apimodels.app" in said
    assert KEY not in said
    assert SAMCONFIG.read_bytes() == before


def test_a_deployment_by_environment_asks_nothing_and_takes_all_from_the_file(
    aws: TlsAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    tenants = '{"shop": {"weight": 2}}'
    file = tmp_path / "samconfig.toml"
    file.write_text(f"""
version = 0.1
[production.deploy.parameters]
stack_name = "shop"
region = "{ELSEWHERE}"
parameter_overrides = {{ DailyBudgetUsd = "50", Tenants = '{tenants}' }}
confirm_changeset = true
""")
    monkeypatch.setattr(sam, "SAMCONFIG", file)
    environment = read_environment("production", file)
    person = Person()

    run(
        Wanted(
            account=Account.here(environment.region),
            stack=str(environment.stack),
            named=environment.parameters,
            environment=environment,
        ),
        SamWithoutItsBuild(),
        person,
    )

    assert aws.cloudformation.change_sets == [{"DailyBudgetUsd": "50", "Tenants": tenants, "Release": RELEASE}]
    assert "shop" in aws.cloudformation.stacks
    assert aws.regions == {ELSEWHERE}
    assert person.questions == []
    assert "make key STACK=shop REGION=eu-west-3" in capfd.readouterr().out


# --- What is decided around it


def test_a_first_deployment_goes_where_the_answers_say_and_so_do_the_hints(
    aws: TlsAws, capsys: pytest.CaptureFixture[str]
) -> None:
    builder = PlayedSam(aws)

    run(wanted(), builder, Person([ELSEWHERE, "shop", "none"], [""]))

    assert builder.sent == {"DailyBudgetUsd": "", "Release": RELEASE}
    assert "shop" in aws.cloudformation.stacks
    said = capsys.readouterr().out
    assert "make key STACK=shop REGION=eu-west-3" in said
    assert "make preflight REGION=eu-west-3 STACK=shop" in said
    assert "No budget bounds" in said


def test_an_answer_that_names_a_stack_that_is_there_updates_it_and_keeps_its_parameters(aws: TlsAws) -> None:
    deployed(aws)
    with_a_key(aws)
    builder = PlayedSam(aws)

    person = run(wanted(stack="heliogarph"), builder, Person(["", "heliograph"]))

    assert builder.sent == {"Release": RELEASE}
    assert builder.built_for == ["x86_64"]
    assert len(person.questions) == 2


def test_a_budget_that_is_none_is_asked_for_again(aws: TlsAws, capsys: pytest.CaptureFixture[str]) -> None:
    builder = PlayedSam(aws)

    run(wanted(), builder, Person(["", "", "much", "$30"], [""]))

    assert builder.sent == {"DailyBudgetUsd": "30", "Release": RELEASE}
    assert "DailyBudgetUsd is not valid ('much')" in capsys.readouterr().out


def test_a_budget_that_was_named_is_not_asked_for(aws: TlsAws) -> None:
    person = run(wanted(parameters="DailyBudgetUsd=5"), PlayedSam(aws), Person(["", ""], [""]))

    assert not any("budget" in question for question in person.questions)


@pytest.mark.parametrize("answers", [[], [""], ["", ""], ["", "", ""]], ids=["Region", "name", "budget", "key"])
def test_whoever_interrupts_a_question_has_deployed_nothing(aws: TlsAws, answers: list[str]) -> None:
    builder = PlayedSam(aws)

    with pytest.raises(KeyboardInterrupt):
        run(wanted(), builder, Person(answers))

    assert (builder.built_for, builder.sent) == ([], None)


def test_an_interrupted_deployment_says_that_cloudformation_goes_on(aws: TlsAws) -> None:
    deployed(aws)

    with pytest.raises(Refused, match="CloudFormation goes on with what it was sent"):
        run(wanted(), PlayedSam(aws, is_interrupted=True))


def test_nobody_to_ask_is_told_how_to_deploy_without_questions(aws: TlsAws) -> None:
    builder = PlayedSam(aws)

    with pytest.raises(Refused, match=r"There is no stack heliograph in eu-central-1, and nobody to ask .* ENV=…"):
        run(wanted(), builder, Person(is_attended=False))

    assert builder.sent is None


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ("DailyBudgetUsd=much", r"DailyBudgetUsd is not valid \('much'\)"),
        ("Budget=25", "There is no parameter Budget"),
        (f"Tenants={json.dumps({f't{n}': {'weight': 2, 'daily_budget_usd': '25'} for n in range(60)})}", "Tenants"),
        ("SnapStart=on", "SnapStart is 'on'"),
    ],
    ids=["a budget", "a name", "sixty tenants", "a word"],
)
def test_what_can_not_work_is_refused_before_anything_is_built_or_sent(
    aws: TlsAws, parameters: str, sentence: str
) -> None:
    deployed(aws)
    builder = PlayedSam(aws)

    with pytest.raises(Refused, match=sentence) as refused:
        run(wanted(parameters=parameters), builder)

    assert str(refused.value).endswith("Nothing was built or deployed.")
    assert (builder.built_for, builder.sent) == ([], None)


def test_a_name_that_somebody_else_has_is_refused_before_anything_is_sent(aws: TlsAws) -> None:
    builder = PlayedSam(aws)
    events = aws.client("events")
    events.create_event_bus(Name="heliograph-events")
    try:
        with pytest.raises(Refused, match="the event bus heliograph-events exists already"):
            run(wanted(), builder, Person(["", "", ""], [""]))
    finally:
        events.delete_event_bus(Name="heliograph-events")

    assert builder.built_for == []


def test_a_region_without_function_urls_is_refused(aws: TlsAws) -> None:
    builder = PlayedSam(aws)

    with pytest.raises(Refused, match="PARAMETERS=OpenAiImages=off"):
        run(wanted(region="eu-central-2"), builder, person := Person(["", ""]))

    assert builder.built_for == []
    # Before the questions that come after the Region's and the name's.
    assert len(person.questions) == 2


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("ROLLBACK_COMPLETE", "its creation failed and was undone: nothing of it works. Delete it (aws cloudformation"),
        ("UPDATE_IN_PROGRESS", "it is being changed at the moment"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("DELETE_FAILED", "its deletion failed"),
    ],
)
def test_a_stack_in_a_state_that_can_not_be_deployed_is_left_alone(aws: TlsAws, status: str, sentence: str) -> None:
    deployed(aws).status = status
    builder = PlayedSam(aws)

    with pytest.raises(Refused) as refused:
        run(wanted(), builder)

    assert sentence in str(refused.value)
    assert builder.built_for == []


def test_another_applications_stack_is_not_overwritten(aws: TlsAws) -> None:
    aws.cloudformation.add(PlayedStack("heliograph", outputs={"Website": "https://"}))
    builder = PlayedSam(aws)

    with pytest.raises(Refused, match="is not one of Heliograph's"):
        run(wanted(), builder)

    assert builder.built_for == []


def test_a_first_deployment_that_fails_says_what_to_do_with_what_is_left(aws: TlsAws) -> None:
    with pytest.raises(Refused, match="Delete it"):
        run(wanted(), PlayedSam(aws, ends_as="ROLLBACK_COMPLETE"), Person(["", "", ""], [""]))


def test_an_update_that_fails_says_in_which_state_the_stack_is(aws: TlsAws) -> None:
    deployed(aws)

    with pytest.raises(Refused, match="is in the state UPDATE_ROLLBACK_COMPLETE"):
        run(wanted(), PlayedSam(aws, ends_as="UPDATE_ROLLBACK_COMPLETE"))


@pytest.mark.parametrize(("limit", "is_said"), [(10, True), (99, True), (100, False)])
def test_few_concurrent_executions_are_said_with_what_follows(
    aws: TlsAws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, limit: int, is_said: bool
) -> None:
    deployed(aws)
    with_a_key(aws)
    settings = {"AccountLimit": {"ConcurrentExecutions": limit}}
    monkeypatch.setitem(aws.answers, "lambda:GET /2016-08-19/account-settings", settings)

    run(wanted(), PlayedSam(aws))

    said = capsys.readouterr().out
    assert (f"only {limit} functions may run at once" in said) is is_said
    assert ("L-B99A9384" in said) is is_said


def test_a_right_that_is_missing_ends_it_before_anything_is_built(aws: TlsAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(aws.refusals, "cloudformation", Refusal("AccessDenied", "not authorized", 403))
    builder = PlayedSam(aws)

    with pytest.raises(ClientError, match="AccessDenied"):
        run(wanted(), builder)

    assert builder.built_for == []


def test_a_key_is_asked_for_only_where_there_is_none(aws: TlsAws) -> None:
    deployed(aws)

    first = run(wanted(), PlayedSam(aws), Person(keys=["not-a-key", KEY]))
    second = run(wanted(), PlayedSam(aws))

    assert len(first.questions) == 2
    assert stored_key(aws) == KEY
    assert second.questions == []


def test_who_interrupts_the_question_for_the_key_is_told_how_to_enter_it_later(
    aws: TlsAws, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(aws)

    run(wanted(), PlayedSam(aws))

    assert "Enter it with: make key STACK=heliograph REGION=eu-central-1" in capsys.readouterr().out


def test_an_environment_that_is_not_there_is_named_in_one_sentence(
    aws: TlsAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["deploy", "--env", "staging"])

    with pytest.raises(SystemExit) as ended:
        program.main()

    assert "samconfig.toml has no section [staging.deploy.parameters]" in str(ended.value.code)
    assert aws.calls == []
    assert capsys.readouterr().out == ""


# --- `make key`


def enter(aws: TlsAws, person: Person) -> None:
    stack = Account.here().usable_stack(deployed(aws).name)
    enter_key(Account.here(), stack, person)


def test_enter_keeps_the_key_that_is_there(aws: TlsAws, capsys: pytest.CaptureFixture[str]) -> None:
    with_a_key(aws)
    person = Person(keys=[""])

    enter(aws, person)

    assert stored_key(aws) == KEY
    assert "Enter keeps the one that is there" in person.questions[0]
    said = capsys.readouterr().out
    assert re.match(r"A key of apimodels.app is there since 20\d\d-\d\d-\d\d \d\d:\d\d UTC\.", said)
    assert said.endswith("Nothing was changed.\n")
    assert KEY[-4:] not in said


def test_a_new_key_takes_the_place_of_the_old(aws: TlsAws) -> None:
    with_a_key(aws)
    new = "sk_anotherThatIsMadeUp5678"

    enter(aws, Person(keys=[new]))

    assert stored_key(aws) == new


@pytest.mark.parametrize("keys", [[""], []], ids=["enter", "interrupted"])
def test_who_enters_no_key_is_told_what_is_missing(
    aws: TlsAws, capsys: pytest.CaptureFixture[str], keys: list[str]
) -> None:
    enter(aws, Person(keys=keys))

    said = capsys.readouterr().out
    assert "There is no key of apimodels.app yet" in said
    assert "make key STACK=heliograph REGION=eu-central-1" in said
