import httpx2
import pytest
from lightkube import ApiError
from lightkube.models.meta_v1 import Status

from router.kube.writes import Writes


@pytest.fixture
def writes() -> Writes:
    return Writes()


def test_a_reason_is_told_once_whatever_the_object(writes, caplog):
    for pod in ("blue-1", "blue-2", "blue-3"):
        sentence = (
            f'pods "{pod}" is forbidden: User "x" cannot patch resource "pods" in API group "" in the namespace "web"'
        )
        writes.failed("marks of pods", ApiError(status=Status(code=403, reason="Forbidden", message=sentence)))
    (record,) = caplog.records
    reason = "cannot patch pods in namespace web: forbidden, no role of the router has this right"
    assert record.fields == {"subject": "marks of pods", "reason": reason}
    assert list(writes.problems()) == [f"kubernetes: marks of pods: not written: {reason}"]
    writes.failed("marks of pods", httpx2.ReadTimeout(""))
    assert len(caplog.records) == 2


def test_what_is_taken_again_is_told_and_no_problem_any_more(writes, caplog):
    caplog.set_level("INFO")
    writes.made("events")
    assert caplog.records == []
    writes.failed("events", TimeoutError())
    writes.made("events")
    assert [record.getMessage() for record in caplog.records][1:] == ["the API server takes it again"]
    assert list(writes.problems()) == []


def test_the_next_leader_has_problems_of_its_own(writes):
    writes.failed("events", TimeoutError())
    writes.forget()
    assert list(writes.problems()) == []
