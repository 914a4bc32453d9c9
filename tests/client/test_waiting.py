"""Waiting for an endpoint, with a clock that moves by the pauses alone."""

import pytest

from router.client import NotDeployed


class Time:
    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def endpoint(api, connect, time):
    maitre = connect(api.url, api.token, clock=time.clock, sleep=time.sleep)
    return maitre.create("digits", version_name="blue", urls=["http://127.0.0.1:5001"])


def test_pauses_grow_and_changes_are_told(api, endpoint, time):
    api.standing.becoming_ready = [0] * 12 + [1]
    told = []
    status = endpoint.wait_for_deployment(show_output=told.append)
    assert [version.ready for version in status.versions] == [1]
    assert told == ["digits: blue starting (0 of 1 ready)", "digits: blue 1 of 1 ready"]
    assert time.pauses[:3] == [0.25, 0.375, 0.5625]
    assert time.pauses == sorted(time.pauses)
    assert time.pauses[-1] == 5.0


def test_it_is_written_where_the_original_writes_it(endpoint, capsys):
    endpoint.wait_for_deployment(show_output=True)
    assert capsys.readouterr().out == "digits: blue 1 of 1 ready\n"


def test_who_is_ready_is_not_waited_for(endpoint, time):
    endpoint.wait_for_deployment()
    assert time.pauses == []


def test_time_is_up_when_it_says(api, endpoint, time):
    api.standing.ready = 0
    with pytest.raises(NotDeployed, match="after 3 s, digits: blue starting"):
        endpoint.wait_for_deployment(timeout_s=3)
    assert time.now == 3


def test_what_was_refused_is_not_waited_for(api, endpoint, time):
    api.standing.problems = ["spec.hosts: digits.example.com is another endpoint's"]
    with pytest.raises(NotDeployed, match=r"another endpoint's") as caught:
        endpoint.wait_for_deployment()
    assert (caught.value.code, time.pauses) == ("not_configured", [])


def test_logs(api, endpoint):
    assert endpoint.get_logs("blue") == "blue-1 started\nblue-1 scored\n"
    assert endpoint.get_logs("blue", num_lines=1) == "blue-1 scored\n"
    assert list(endpoint.follow_logs("blue", num_lines=1)) == ["blue-1 scored", "blue-1 later"]


def test_an_endpoint_without_a_version_in_force_is_waited_for(api, endpoint, time):
    api.standing.is_empty = True
    with pytest.raises(NotDeployed, match="no version is in force yet"):
        endpoint.wait_for_deployment(timeout_s=1)
    api.standing.is_empty = False
    endpoint.wait_for_deployment(timeout_s=1)
