"""Equal calls, in any order of arrivals, gateways, crashes and failures: never more charged jobs than wishes."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from heliograph.intake.recent_calls import GATEWAY_PATIENCE, REPEATED_WITHIN
from heliograph.kernel.errors import StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.openai_images.make_images import Images
from heliograph.providers.protocol import TaskFailed
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.fakes.deployment import InMemoryDeployment
from tests.fakes.gallery import Gallery
from tests.fakes.script import Afterwards, Crash

DOUBTFUL = Failure(code=FailureCode.PROVIDER_FAILED, message="no", retryable=False, charged=Charged.UNKNOWN)


class EqualCallsMachine(RuleBasedStateMachine):
    """One client that wants one image after another, all of the same words, and numbers none of its calls.

    It asks for the next only once it has an answer or has given up for good, and long after: a wish is what it waits
    for until then, however often it sends it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gallery = Gallery(InMemoryDeployment())
        self.wishes = 0
        self.is_waiting = False

    def _send(self) -> Images | None:
        """The answer, if it reaches the client."""
        if not self.is_waiting:
            # Another wish: later than any repeat of the last one would come.
            self.gallery.here.clock.step(REPEATED_WITHIN.total_seconds() + 1)
            self.wishes += 1
            self.is_waiting = True
        with suppress(StorageFailed, Crash):
            return self.gallery.make()
        return None

    @rule()
    def an_answer_arrives(self) -> None:
        images = self._send()
        self.is_waiting = images is None or not (images.images or images.missing)

    @rule(patience=st.integers(int(GATEWAY_PATIENCE.total_seconds()), 200), pause=st.integers(0, 30))
    def a_gateway_gives_up_first(self, patience: int, pause: int) -> None:
        clock, pass_time = self.gallery.here.clock, self.gallery.pass_time
        began_at = None

        def slowly(seconds: float) -> None:
            nonlocal began_at
            began_at = began_at or clock.now()
            if clock.now() - began_at >= timedelta(seconds=patience):
                pass_time(seconds)
            else:
                clock.step(seconds)

        self.gallery.pass_time = slowly  # type: ignore[method-assign]
        images = self._send()
        self.gallery.pass_time = pass_time  # type: ignore[method-assign]
        if began_at is None and images:
            # One that joins what is done already is answered at once: no gateway is in the way of that.
            self.is_waiting = False
        clock.step(pause)

    @rule()
    def the_function_dies_once_its_job_is_written(self) -> None:
        self.gallery.here.jobs.on("add", Afterwards(Crash()))
        self._send()
        self.gallery.here.jobs.repair()

    @rule()
    def the_table_of_calls_is_away(self) -> None:
        self.gallery.recent_calls.on("look", StorageFailed("away"))
        self._send()

    @precondition(lambda self: not self.is_waiting)
    @rule()
    def the_provider_fails_and_nobody_knows_whether_it_charged(self) -> None:
        self.gallery.here.provider.will_say(TaskFailed(DOUBTFUL))
        self._send()

    @invariant()
    def no_wish_is_paid_twice(self) -> None:
        assert len(self.gallery.here.provider.tasks) <= self.wishes
        assert len(self.gallery.here.jobs) <= self.wishes


TestEqualCalls = EqualCallsMachine.TestCase
TestEqualCalls.settings = settings(max_examples=25, stateful_step_count=8, deadline=None)
