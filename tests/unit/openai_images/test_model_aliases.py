"""Other names of models, as a setting says them."""

from __future__ import annotations

import pytest
from heliograph.openai_images.model_aliases import OPENAI_MODELS, ModelAliases

from tests.fakes.deployment import BETA, ROUTES, SECOND


def test_a_name_alone_is_for_the_default_policy_and_one_with_a_model_for_that() -> None:
    aliases = ModelAliases.parse(" picture, fast = gpt-image-2 ,")
    assert aliases.names == {"picture": None, "fast": SECOND}
    assert [aliases.model_of(name, ROUTES) for name in ("picture", "fast", None)] == [None, SECOND, None]


def test_a_word_stands_for_all_models_of_openais_and_each_may_be_given_another_meaning() -> None:
    aliases = ModelAliases.parse("dall-e-3=gpt-image-2, openai")
    assert set(aliases.names) == set(OPENAI_MODELS)
    assert (aliases.names["dall-e-3"], aliases.names["dall-e-2"]) == (SECOND, None)


def test_a_model_of_the_deployment_keeps_its_name() -> None:
    aliases = ModelAliases({SECOND: BETA})
    assert aliases.model_of(SECOND, ROUTES) == SECOND
    assert list(aliases.every(ROUTES)) == [BETA, SECOND]


@pytest.mark.parametrize("text", ["a b", "=x", "a=", "a=b=c", "a,a", "-a", "a" * 65])
def test_what_is_no_list_of_names_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither|twice"):
        ModelAliases.parse(text)


def test_a_name_for_a_model_that_no_route_leads_to_is_refused() -> None:
    with pytest.raises(ValueError, match="no route"):
        ModelAliases({"a": "gpt-image-9"}).check(ROUTES)
    ModelAliases({"a": None, "b": SECOND}).check(ROUTES)
