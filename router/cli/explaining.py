"""What went wrong with the admin API, and the way out: lines for standard error. Pure, but for what it is told."""

from __future__ import annotations

from router.client.errors import Changed, ClientError, Conflict, Forbidden, Invalid, Unauthorized, Unreachable

_NO_ROUTER = (
    "is `maitre serve` running? The line that it prints when it is ready names its admin address: "
    "--admin-url, or MAITRE_ADMIN_URL"
)
_NOT_KNOWN = (
    "the admin token is in the file admin-token of the router's state directory: --admin-token-file FILE, or "
    "MAITRE_ADMIN_TOKEN; in a cluster it is a Kubernetes token (`kubectl create token`)"
)
_NO_RIGHT = "rights are those on scoringendpoints of maitre.dev; `kubectl create role` and `rolebinding` grant a verb"
_LOST_RACE = "nothing was changed; look at it again (`maitre endpoint show`) and repeat it if it is still wanted"
_WAY_OUT = {
    "default_version": "name the next default with --new-default",
    "last_version": "`maitre endpoint delete` deletes both",
}


def explained(error: ClientError) -> list[str]:
    """The first line says what happened; those after it, indented, what is wrong in particular, what may have been
    meant (notes of the error), and what to do."""
    request = f" (request {error.request_id})" if error.request_id else ""
    lines = [f"maitre: {_sentence(error)}{request}"]
    lines += [
        f"  {problem}" + (f" (it is {problem.value})" if problem.value is not None else "")
        for problem in error.problems
    ]
    hint = _hint(error)
    return [*lines, *(f"  {note}" for note in getattr(error, "__notes__", ())), *([f"  {hint}"] if hint else [])]


def _sentence(error: ClientError) -> str:
    if isinstance(error, Invalid) and error.problems:
        count = len(error.problems)
        return (
            "nothing was changed, there is a problem:"
            if count == 1
            else f"nothing was changed, there are {count} problems:"
        )
    return error.message


def _hint(error: ClientError) -> str | None:
    match error:
        case Unreachable(code="unreachable"):
            return _NO_ROUTER
        case Unauthorized():
            return _NOT_KNOWN
        case Forbidden():
            return _NO_RIGHT
        case Changed():
            return _LOST_RACE
        case Conflict():
            return _WAY_OUT.get(error.code)
        case _:
            return None
