"""What the schema allows at a place, in words: read from the types, so that messages follow every change of them.

Pure. Called by `interpreting.py` for each error that pydantic reports.
"""

from __future__ import annotations

from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from router.model.fields import Allowed
from router.model.problems import Path, quoted
from router.model.spec import ScoringEndpoint


def allowed_at(path: Path) -> str:
    """What may stand there; for example "a whole number from 1 to 65535". Empty where the schema has no such place."""
    return _words(_type_at(path))


def unknown_key(path: Path) -> str:
    """What to say of a key that the schema does not have there."""
    key = str(path[-1])
    model = _bare(_type_at(path[:-1]))
    known = list(_keys(model)) if _is_model(model) else []
    near = get_close_matches(key, known, n=1) or _in_other_case(key, known)
    if near:
        return f"unknown key {_single_quoted(key)}; did you mean '{near[0]}'?"
    return f"unknown key {_single_quoted(key)}; known here: {', '.join(known)}"


def _in_other_case(key: str, known: list[str]) -> list[str]:
    """`max_queue_wait_ms` and `MAXREPLICAS` mean well."""
    folded = key.replace("_", "").replace("-", "").lower()
    return [name for name in known if name.lower() == folded]


def _single_quoted(key: str) -> str:
    return f"'{quoted(key)[1:-1]}'"


def _type_at(path: Path) -> Any:
    place: Any = ScoringEndpoint
    for step in path:
        place = _bare(place)
        if _is_model(place) and isinstance(step, str):
            place = _keys(place).get(step, object)
        elif get_origin(place) is tuple:
            place = get_args(place)[0]
        elif get_origin(place) is dict:
            place = get_args(place)[1]
        else:
            return object
    return place


def _is_model(place: Any) -> bool:
    return isinstance(place, type) and issubclass(place, BaseModel)


def _keys(model: type[BaseModel]) -> dict[str, Any]:
    """The keys as files write them, with their types, in the order of the schema."""
    types = get_type_hints(model, include_extras=True)
    return {field.alias or name: types[name] for name, field in model.model_fields.items()}


def _bare(place: Any) -> Any:
    """The type without what annotates it and without "or None"."""
    if get_origin(place) is Annotated:
        return _bare(get_args(place)[0])
    if get_origin(place) in {Union, UnionType}:
        return _bare(next(option for option in get_args(place) if option is not NoneType))
    return place


def _words(place: Any) -> str:
    if get_origin(place) in {Union, UnionType}:
        return _words(next(option for option in get_args(place) if option is not NoneType))
    notes = get_args(place)[1:] if get_origin(place) is Annotated else ()
    for note in notes:
        if isinstance(note, Allowed):
            return note.words
    return _words_of_type(_bare(place), notes)


def _words_of_type(bare: Any, notes: tuple[Any, ...]) -> str:
    if bare is int:
        low, high = (_limit(notes, name) for name in ("ge", "le"))
        return f"a whole number from {low} to {high}"
    if bare is bool:
        return "true or false"
    if bare is str:
        return "a text; put numbers in quotes"
    if get_origin(bare) is Literal:
        return " or ".join(str(option) for option in get_args(bare))
    if get_origin(bare) is tuple:
        low, high = (_limit(notes, name) for name in ("min_length", "max_length"))
        return f"a list of {low} to {high} entries"
    if get_origin(bare) is dict:
        return "a mapping of texts"
    if _is_model(bare):
        return f"a mapping with the keys {', '.join(_keys(bare))}"
    return ""


def _limit(notes: tuple[Any, ...], name: str) -> int | None:
    limits = (getattr(limit, name, None) for note in notes if isinstance(note, FieldInfo) for limit in note.metadata)
    return next((limit for limit in limits if limit is not None), None)
