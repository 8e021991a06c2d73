"""Callbacks: a hint that costs one poll at most, and gives a lost task back to its own job only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from heliograph.execution.outcomes import DispatchOutcome, Failed, NotYet, Processing
from heliograph.execution.receive_callback import CallbackResult
from heliograph.jobs.job import Attempt, JobStatus
from heliograph.kernel.errors import StorageFailed, WorkflowFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.ids import token_digest
from heliograph.providers.protocol import (
    Accepted,
    Completed,
    CreateOutcome,
    NoAnswer,
    StillRunning,
    TaskFacts,
    TaskFailed,
    TaskState,
    Uncertain,
)

from tests.fakes.deployment import CALLBACKS, InMemoryDeployment
from tests.fakes.script import Afterwards, Crash

TASK = "task-9"
TOKEN = "token-1"


def lost(here: InMemoryDeployment, **post: Any) -> str:
    """A job whose create call was cut. Its token is the first that was made, unless others were before."""
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.post(**post).job.job_id
    assert isinstance(here.dispatch(job_id), NotYet)
    return job_id


def attempt_of(here: InMemoryDeployment, job_id: str) -> Attempt:
    attempt = here.jobs.peek(job_id).attempt
    assert attempt
    return attempt


def untouched(here: InMemoryDeployment, job_id: str, token: str, task_id: str | None) -> CallbackResult:
    """What is heard, where nothing may be asked or changed."""
    before, questions, woken = here.jobs.saves, list(here.provider.questions), list(here.waits.woken)
    heard = here.hear(job_id, token, task_id)
    assert here.jobs.saves == before
    # Only whoever has the token of a task that we wait for makes anything happen.
    assert (here.waits.woken != woken) == (heard is CallbackResult.KNOWN)
    assert here.provider.questions == questions
    return heard


# --- the address


def test_the_provider_gets_a_callback_url_and_the_record_only_the_secrets_digest(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    here.dispatch(job_id)

    (request,) = here.provider.requests
    assert request.callback_url == f"{CALLBACKS}/v1/callbacks/{job_id}/{TOKEN}"
    attempt = attempt_of(here, job_id)
    assert attempt.callback_sha256 == token_digest(TOKEN)
    assert TOKEN not in here.jobs.peek(job_id).model_dump_json()
    assert "callback_sha256" not in attempt.told()


def test_every_attempt_has_its_own_callback_secret(here: InMemoryDeployment) -> None:
    here.provider.will_say(
        TaskFailed(Failure(code=FailureCode.PROVIDER_FAILED, message="no", retryable=True, charged=Charged.NO))
    )

    here.run(here.job_id())

    urls = [request.callback_url for request in here.provider.requests]
    assert len(set(urls)) == len(urls) == 2


def test_without_a_callback_address_no_url_is_sent(here: InMemoryDeployment) -> None:
    here.callback_base = None
    job_id = here.job_id()
    here.dispatch(job_id)

    assert here.provider.requests[0].callback_url is None
    assert attempt_of(here, job_id).callback_sha256 is None
    for token in ("", TOKEN, "None"):
        assert untouched(here, job_id, token, TASK) is CallbackResult.UNKNOWN


# --- who is not heard


@pytest.mark.parametrize(
    "token", ["", "token-2", TOKEN + " ", TOKEN.upper(), token_digest(TOKEN), "ключ", "x" * 10_000]
)
def test_a_wrong_secret_costs_one_read(here: InMemoryDeployment, token: str) -> None:
    assert untouched(here, lost(here), token, TASK) is CallbackResult.UNKNOWN


@pytest.mark.parametrize(
    "job_id", ["", "job_", "job_nobody", "../balance", "job_" + "A" * 26, "job_" + "a" * 26 + "\n", "x" * 10_000]
)
def test_a_malformed_job_id_costs_nothing(here: InMemoryDeployment, job_id: str) -> None:
    here.jobs.on("get", AssertionError("it was looked for"))

    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.UNKNOWN


def test_an_unknown_job_is_answered_like_a_wrong_secret(here: InMemoryDeployment) -> None:
    assert untouched(here, "job_" + "a" * 26, TOKEN, TASK) is CallbackResult.UNKNOWN


def test_a_job_without_an_attempt_has_no_secret_yet(here: InMemoryDeployment) -> None:
    for token in ("", TOKEN):
        assert untouched(here, here.job_id(), token, TASK) is CallbackResult.UNKNOWN


def test_a_callback_of_an_attempt_that_was_given_up_wakes_no_workflow(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id(on_uncertain="resubmit")
    here.dispatch(job_id)
    here.clock.go_to(here.jobs.peek(job_id).lost_call_deadline)
    assert isinstance(here.dispatch(job_id), Processing)

    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.ADOPTED
    assert here.jobs.peek(job_id).attempts[0].task_id == TASK
    assert here.waits.woken == []
    saves = here.jobs.saves
    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.KNOWN
    assert (here.jobs.saves, here.waits.woken) == (saves, [])
    assert untouched(here, job_id, "token-2", "task-1") is CallbackResult.KNOWN


def test_the_secret_of_an_ended_attempt_is_stale_while_no_other_has_begun(here: InMemoryDeployment) -> None:
    busy = Failure(code=FailureCode.PROVIDER_FAILED, message="no", retryable=True, charged=Charged.NO)
    here.provider.will_say(TaskFailed(busy))
    job_id = here.job_id()
    failed = here.poll(job_id, here.watched(job_id))
    assert isinstance(failed, Failed)
    assert isinstance(here.dispatch(failed), NotYet)

    assert untouched(here, job_id, TOKEN, TASK) is CallbackResult.UNKNOWN


@pytest.mark.parametrize("how", ["succeeded", "failed"])
def test_the_secret_of_a_job_that_is_over_and_certain_is_stale(here: InMemoryDeployment, how: str) -> None:
    job_id = here.job_id()
    if how == "failed":
        blocked = Failure(code=FailureCode.CONTENT_BLOCKED, message="no", retryable=False, charged=Charged.NO)
        here.provider.will_say(TaskFailed(blocked))
    here.run(job_id)
    assert here.jobs.peek(job_id).status == how

    assert untouched(here, job_id, TOKEN, TASK) is CallbackResult.UNKNOWN


# --- who is


def test_a_callback_wakes_the_waiting_workflow_and_its_body_is_not_believed(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    here.dispatch(job_id)
    here.clock.step(20)

    for times in (1, 2):
        assert here.hear(job_id, TOKEN, None) is CallbackResult.KNOWN
        assert here.waits.woken == [(attempt_of(here, job_id).attempt_id, here.clock.now())] * times


def test_adopting_a_task_wakes_the_workflow_that_waits_for_it(here: InMemoryDeployment) -> None:
    job_id = lost(here)

    here.hear(job_id, TOKEN, TASK)

    assert here.waits.woken == [(attempt_of(here, job_id).attempt_id, here.clock.now())]


@pytest.mark.parametrize("error", [StorageFailed("throttled"), WorkflowFailed("throttled")])
def test_a_callback_that_could_not_wake_the_workflow_is_worth_sending_again(
    here: InMemoryDeployment, error: Exception
) -> None:
    job_id = lost(here)
    here.waits.on("wake", error)

    with pytest.raises(type(error)):
        here.hear(job_id, TOKEN, TASK)

    # What it did is done; the next one only wakes.
    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.KNOWN
    assert len(here.waits.woken) == 1


def test_a_known_task_is_not_polled(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.dispatch(job_id)

    for task_id in ("task-1", TASK, None):
        assert untouched(here, job_id, TOKEN, task_id) is CallbackResult.KNOWN


def test_a_body_without_a_task_is_malformed(here: InMemoryDeployment) -> None:
    assert untouched(here, lost(here), TOKEN, None) is CallbackResult.MALFORMED


@pytest.mark.parametrize(
    "state",
    [
        StillRunning(),
        Completed(("https://results.test/a.png",)),
        TaskFailed(Failure(code=FailureCode.CONTENT_BLOCKED, message="no", retryable=False, charged=Charged.NO)),
    ],
    ids=["running", "completed", "failed"],
)
def test_a_lost_task_is_adopted_after_exactly_one_poll(here: InMemoryDeployment, state: TaskState) -> None:
    job_id = lost(here)
    here.provider.will_say(state)

    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.ADOPTED

    assert here.provider.questions == [TASK]
    attempt = attempt_of(here, job_id)
    assert (attempt.task_id, attempt.accepted_at, attempt.is_open) == (TASK, here.clock.now(), True)
    assert here.jobs.peek(job_id).status is JobStatus.PROCESSING
    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.KNOWN
    assert here.provider.questions == [TASK]


def test_an_adopted_task_produces_its_image_and_is_paid_once(here: InMemoryDeployment) -> None:
    job_id = lost(here)
    here.clock.step(30)
    here.hear(job_id, TOKEN, TASK)

    job = here.run(job_id)

    assert job.status is JobStatus.SUCCEEDED
    assert job.price_microusd == 60_000
    assert here.provider.create_calls == 1


@pytest.mark.parametrize("crash", [Crash(), Afterwards(Crash())], ids=["before the task", "after the task"])
def test_a_task_whose_function_died_is_adopted_too(here: InMemoryDeployment, crash: Crash | Afterwards) -> None:
    here.provider.will_answer_create(crash)
    job_id = here.job_id()
    with pytest.raises(Crash):
        here.dispatch(job_id)

    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.ADOPTED
    assert here.run(job_id).status is JobStatus.SUCCEEDED


def test_a_task_that_the_provider_does_not_know_is_not_adopted(here: InMemoryDeployment) -> None:
    job_id = lost(here)
    here.provider.will_say(NoAnswer("404"))

    assert here.hear(job_id, TOKEN, "forged") is CallbackResult.UNCONFIRMED

    assert here.provider.questions == ["forged"]
    assert attempt_of(here, job_id).task_id is None
    # The true one may still come.
    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.ADOPTED


def test_a_task_is_not_adopted_while_its_provider_is_not_configured(here: InMemoryDeployment) -> None:
    job_id = lost(here)
    job = here.jobs.peek(job_id)
    attempt = attempt_of(here, job_id).model_copy(update={"provider": "kie"})
    here.jobs.save(job.model_copy(update={"attempts": (attempt,)}))

    assert untouched(here, job_id, TOKEN, TASK) is CallbackResult.UNCONFIRMED


@pytest.mark.parametrize("tenant", ["default", "somebody-else"])
@pytest.mark.parametrize("over", [False, True], ids=["running", "delivered"])
def test_a_task_of_another_job_is_never_adopted(here: InMemoryDeployment, tenant: str, over: bool) -> None:
    theirs = here.post(call="theirs", tenant=tenant).job.job_id
    here.watched(theirs)
    if over:
        here.run(theirs)
    job_id = lost(here, call="ours")

    assert untouched(here, job_id, "token-2", "task-1") is CallbackResult.UNKNOWN

    assert attempt_of(here, job_id).task_id is None


# --- at the same time as others


def test_a_callback_before_dispatchs_own_record_agrees_with_it(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    heard: list[CallbackResult] = []

    def early() -> CreateOutcome:
        heard.append(here.hear(job_id, TOKEN, TASK))
        return Accepted(TASK)

    here.provider.will_answer_create(early)
    outcome = here.dispatch(job_id)

    assert heard == [CallbackResult.ADOPTED]
    assert isinstance(outcome, Processing)
    assert outcome.watch.task_id == attempt_of(here, job_id).task_id == TASK
    assert here.run(job_id).status is JobStatus.SUCCEEDED
    assert here.provider.create_calls == 1


def test_a_callback_before_a_lost_answer_makes_up_for_it(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    def early() -> CreateOutcome:
        here.hear(job_id, TOKEN, TASK)
        return Uncertain("cut")

    here.provider.will_answer_create(early)
    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing)
    assert outcome.watch.task_id == TASK


def test_the_providers_own_answer_outweighs_the_claim_of_a_callback(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    def forged() -> CreateOutcome:
        here.hear(job_id, TOKEN, "task-of-somebody")
        return Accepted("task-1")

    here.provider.will_answer_create(forged)
    here.dispatch(job_id)

    assert attempt_of(here, job_id).task_id == "task-1"


def test_a_callback_between_an_answer_and_its_record_agrees_with_it(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    heard: list[CallbackResult] = []
    here.jobs.on("save", None, lambda: heard.append(here.hear(job_id, TOKEN, "task-1")))

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing)
    assert heard == [CallbackResult.ADOPTED]
    assert attempt_of(here, job_id).task_id == outcome.watch.task_id == "task-1"
    assert here.hear(job_id, TOKEN, "task-1") is CallbackResult.KNOWN


def test_a_callback_that_lost_a_race_changes_nothing_and_wakes_the_workflow(here: InMemoryDeployment) -> None:
    job_id = lost(here)
    inner: list[CallbackResult] = []
    here.jobs.on("save", lambda: inner.append(here.hear(job_id, TOKEN, TASK)))

    outer = here.hear(job_id, TOKEN, TASK)

    assert (inner, outer) == ([CallbackResult.ADOPTED], CallbackResult.KNOWN)
    assert len(here.waits.woken) == 2
    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.KNOWN


def test_a_callback_that_comes_while_the_job_is_given_up_changes_nothing(here: InMemoryDeployment) -> None:
    job_id = lost(here)
    here.clock.go_to(here.jobs.peek(job_id).lost_call_deadline)
    here.jobs.on("save", lambda: here.close(job_id))

    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.UNCONFIRMED

    job = here.jobs.peek(job_id)
    assert job.status is JobStatus.FAILED
    # Sent again, it finds a job that is over, and uncertain.
    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.ADOPTED


def test_a_task_that_announces_itself_between_the_last_check_and_the_end_is_left_to_the_sweep_and_stored(
    here: InMemoryDeployment,
) -> None:
    job_id = lost(here)
    here.clock.go_to(here.jobs.peek(job_id).lost_call_deadline)
    given_up: DispatchOutcome = here.dispatch(job_id)
    assert isinstance(given_up, Failed)
    here.hear(job_id, TOKEN, TASK)

    here.finalize(given_up)
    assert not here.jobs.peek(job_id).is_over
    here.clock.step(3600)
    here.sweep()

    job = here.jobs.peek(job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert job.price_microusd == 60_000


@pytest.mark.parametrize("method", ["get", "owner_of", "save"])
def test_a_callback_that_could_not_be_stored_is_worth_sending_again(here: InMemoryDeployment, method: str) -> None:
    job_id = lost(here)
    here.jobs.on(method, StorageFailed("throttled"))

    with pytest.raises(StorageFailed):
        here.hear(job_id, TOKEN, TASK)

    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.ADOPTED


def test_a_secret_that_is_no_text_is_just_wrong(here: InMemoryDeployment) -> None:
    assert untouched(here, lost(here), "\ud800", TASK) is CallbackResult.UNKNOWN


def test_a_callback_while_a_job_is_checked_ends_its_next_wait(here: InMemoryDeployment) -> None:
    job_id = lost(here)
    before = here.clock.now()
    here.jobs.on("get", lambda: here.clock.step(0.05))

    looked = here.dispatch(job_id)

    assert isinstance(looked, NotYet)
    assert looked.asked_at_ms == before.timestamp() * 1000


def facts_of(here: InMemoryDeployment, job_id: str, *, seconds: float = 0, digest: str | None = None) -> TaskFacts:
    """Of a task that was made so long after the job's first call left."""
    return TaskFacts(here.jobs.peek(job_id).attempts[0].intended_at + timedelta(seconds=seconds), digest)


@pytest.mark.parametrize(
    ("seconds", "heard"),
    [
        (-3600, CallbackResult.UNKNOWN),
        (-121, CallbackResult.UNKNOWN),
        (-120, CallbackResult.ADOPTED),
        (1, CallbackResult.ADOPTED),
        (330, CallbackResult.ADOPTED),
        (331, CallbackResult.UNKNOWN),
    ],
)
def test_a_task_is_adopted_only_if_it_was_made_while_the_call_was_on_its_way(
    here: InMemoryDeployment, seconds: float, heard: CallbackResult
) -> None:
    job_id = lost(here)
    here.provider.will_say(StillRunning(facts_of(here, job_id, seconds=seconds)))

    assert here.hear(job_id, TOKEN, TASK) is heard


@pytest.mark.parametrize(("token", "heard"), [(TOKEN, CallbackResult.ADOPTED), ("token-2", CallbackResult.UNKNOWN)])
def test_a_callback_secret_that_the_provider_repeats_decides(
    here: InMemoryDeployment, token: str, heard: CallbackResult
) -> None:
    job_id = lost(here)
    here.provider.will_say(StillRunning(facts_of(here, job_id, seconds=-3600, digest=token_digest(token))))
    here.provider.will_say(StillRunning(facts_of(here, job_id, digest=token_digest(token))))

    assert here.hear(job_id, TOKEN, TASK) is heard
