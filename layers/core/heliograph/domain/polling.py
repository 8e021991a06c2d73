"""When to ask the provider how a task is."""

from __future__ import annotations

from datetime import datetime
from math import ceil

# The vendor documents 15-40 s and its clients ask every 3 s: nothing before the quiet time can be worth a question.
QUIET_SECONDS = 12
_GAPS_SECONDS = (4, 4, 4, 4, 4, 4, 5, 5, 8, 8, 10)
LONGEST_GAP_SECONDS = 15
LATE_GAP_SECONDS = 300


def wait_before_asking(questions: int, *, now: datetime, deadline_at: datetime) -> int:
    """Whole seconds until the next question, after `questions` of them. Never past the deadline, never under 1.

    Beyond the deadline only those go on who get no answers: they have a day.
    """
    if now >= deadline_at:
        return LATE_GAP_SECONDS
    if questions == 0:
        gap = QUIET_SECONDS
    else:
        gap = _GAPS_SECONDS[questions - 1] if questions <= len(_GAPS_SECONDS) else LONGEST_GAP_SECONDS
    return max(1, min(gap, ceil((deadline_at - now).total_seconds())))
