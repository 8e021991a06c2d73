"""Ids: the same thing has the same id, another thing another."""

from __future__ import annotations

from heliograph.kernel.ids import JOB_ID, derived_id
from hypothesis import given
from hypothesis import strategies as st

PARTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4)


@given(PARTS)
def test_the_same_parts_always_give_the_same_id(parts: list[str]) -> None:
    assert derived_id("job", *parts) == derived_id("job", *parts)


@given(PARTS, PARTS)
def test_other_parts_give_another_id_however_they_are_cut(some: list[str], others: list[str]) -> None:
    assert (derived_id("job", *some) == derived_id("job", *others)) is (some == others)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.data())
def test_one_text_cut_in_two_ways_gives_two_ids(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    other = data.draw(st.integers(0, len(text)))

    same = derived_id("job", text[:cut], text[cut:]) == derived_id("job", text[:other], text[other:])

    assert same is (cut == other)


@given(PARTS)
def test_an_id_is_fit_to_name_an_execution(parts: list[str]) -> None:
    assert JOB_ID.fullmatch(derived_id("job", *parts))


def test_ids_stay_what_they_are_from_release_to_release() -> None:
    # A repeat after an update must find the job that was made before it.
    assert derived_id("job", "api", "default", "key", "order-17") == "job_hew7jiilui6c24ckgzg3lskdec"
