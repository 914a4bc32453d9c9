"""Bodies that are not configuration: what they may hold. A problem with one never shows a value, which may be a key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from router.admin.changes import SOURCE
from router.model.problems import ConfigurationRefused, Problem, dotted
from router.model.spec import Schema
from router.store.keys import MIN_LENGTH

_KeyText = Annotated[str, Field(min_length=MIN_LENGTH, max_length=1024, pattern="^[!-~]+$")]
_Body = TypeVar("_Body", bound=Schema)


class KeyToRegenerate(Schema):
    """Which key is to be another one."""

    key: Literal["primary", "secondary"]
    value: Annotated[_KeyText | None, Field(repr=False)] = None
    """Printable ASCII without spaces; absent: 32 random bytes."""


class TokenWanted(Schema):
    """For how long a token is to be good."""

    expires_in_seconds: Annotated[int, Field(ge=60, le=86_400)] = 43_200


def validated(kind: type[_Body], body: Mapping[str, Any]) -> _Body:
    """Raises ConfigurationRefused."""
    try:
        return kind.model_validate(body, by_alias=True, by_name=False)
    except ValidationError as error:
        several = error.errors(include_url=False, include_input=False, include_context=False)
    raise ConfigurationRefused(
        Problem(SOURCE, None, dotted(each["loc"]), None, f"is not allowed so: {each['msg']}") for each in several
    )
