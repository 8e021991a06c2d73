"""A pattern that a text must match, with the sentence that says so to people: nobody reads regular expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import AfterValidator

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler


@dataclass(frozen=True, slots=True)
class Pattern:
    """The whole text must match `expression`; `sentence` is the fault of one that does not ("must be …").

    For `Annotated[str, Pattern(…)]`, instead of pydantic's own `pattern`, whose message is the expression.
    """

    expression: str
    sentence: str

    def check(self, value: str) -> str:
        """The text itself. Raises `ValueError` with the sentence."""
        if not re.fullmatch(self.expression, value):
            raise ValueError(self.sentence)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """For pydantic: the check, after the field's own."""
        return AfterValidator(self.check).__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """For pydantic: the API's description has the expression."""
        return {**handler(schema), "pattern": f"^{self.expression}$"}
