"""Endpoints and versions through the SDK, blocking and awaiting, over a real socket."""

import pytest

from router.client import Changed, Conflict, Exists, Invalid, NotFound

URLS = ["http://127.0.0.1:5001"]


@pytest.fixture
def endpoint(maitre):
    return maitre.create("digits", version_name="blue", urls=URLS, traffic_percentile=20)


def shares(endpoint):
    return {version.name: version.traffic_share for version in endpoint.status().versions}


def test_only_what_is_said_is_sent(api, maitre):
    endpoint = maitre.create(
        "digits",
        version_name="blue",
        deployment="digits-blue:5001",
        autoscale_max_replicas=4,
        autoscale_enabled=None,
        auth_mode="token",
        sticky_header="x-user-id",
    )
    assert api.resource("digits") == endpoint.serialize()
    assert endpoint.serialize()["spec"] == {
        "auth": {"mode": "token"},
        "sticky": {"header": "x-user-id"},
        "versions": [
            {
                "name": "blue",
                "target": {"deployment": {"name": "digits-blue", "port": 5001}},
                "autoscale": {"maxReplicas": 4},
            }
        ],
    }


def test_the_first_version_is_called_like_the_endpoint_where_nothing_is_said(maitre):
    assert list(maitre.create("digits", urls=URLS).versions) == ["digits"]


def test_a_namespace_stays_with_the_endpoint(api, maitre):
    created = maitre.create("digits", namespace="team", urls=URLS)
    created.update(server_timing=True)
    assert maitre.endpoint("digits", "team").serialize()["spec"]["serverTiming"] is True
    with pytest.raises(NotFound, match="digits"):
        maitre.endpoint("digits")


def test_all_pages_are_listed(api, maitre, monkeypatch):
    monkeypatch.setattr("router.client.admin_api.LARGEST_PAGE", 2)
    for name in ("one", "two", "three", "four", "five"):
        maitre.create(name, urls=URLS)
    found = maitre.list()
    assert [each.name for each in found] == ["five", "four", "one", "three", "two"]
    assert sum(path.startswith("/api/v1/endpoints?limit=2") for _, path in api.seen) == 3
    assert maitre.list(namespace="elsewhere") == []
    found[0].update(server_timing=True)  # with the etag of the list


def test_the_walk_through(maitre, endpoint):
    assert shares(endpoint) == {"blue": 100}
    endpoint.create_version("green", urls=URLS, traffic_percentile=10)
    assert shares(endpoint) == {"blue": 90, "green": 10}
    endpoint.update_version("blue", type="control")
    endpoint.update_version("green", traffic_percentile=40, is_default=True, type="control")
    assert shares(endpoint) == {"blue": 20, "green": 80}
    assert "type" not in endpoint.versions["blue"]
    assert "isDefault" not in endpoint.versions["blue"]
    endpoint.delete_version("blue")
    assert shares(endpoint) == {"green": 100}
    assert list(endpoint.versions) == ["green"]


def test_false_leaves_the_default_where_it_is(endpoint):
    endpoint.update_version("blue", is_default=True)
    endpoint.update_version("blue", is_default=False, traffic_percentile=5)
    assert endpoint.versions["blue"] == {
        "name": "blue",
        "target": {"urls": URLS},
        "trafficPercentile": 5,
        "isDefault": True,
    }


def test_another_target_takes_the_place_of_the_first(endpoint):
    endpoint.update_version("blue", command=("python", "model.py", "{port}"))
    assert endpoint.versions["blue"]["target"] == {"command": ["python", "model.py", "{port}"]}


def test_what_is_in_the_way_is_a_conflict(endpoint):
    with pytest.raises(Conflict) as caught:
        endpoint.delete_version("blue")
    assert caught.value.code == "last_version"
    endpoint.create_version("green", urls=URLS)
    with pytest.raises(Conflict) as caught:
        endpoint.delete_version("blue")
    assert (caught.value.code, caught.value.status) == ("default_version", 409)
    assert caught.value.request_id
    endpoint.delete_version("blue", new_default="green")
    assert shares(endpoint) == {"green": 100}


def test_six_versions_and_not_a_seventh(endpoint):
    for name in ("two", "three", "four", "five", "six"):
        endpoint.create_version(name, urls=URLS)
    with pytest.raises(Invalid) as caught:
        endpoint.create_version("seven", urls=URLS)
    (problem,) = caught.value.problems
    assert (problem.key, problem.message) == ("spec.versions", "a list of 7 is not allowed: a list of 1 to 6 entries")
    assert len(endpoint.versions) == 6


def test_nothing_is_created_over_what_stands(api, maitre, endpoint):
    with pytest.raises(Exists):
        maitre.create("digits", urls=["http://127.0.0.1:5002"])
    with pytest.raises(Exists, match="update_version"):
        endpoint.create_version("blue", urls=["http://127.0.0.1:5002"])
    assert api.resource("digits")["spec"]["versions"][0]["target"] == {"urls": URLS}


@pytest.mark.parametrize(
    "change",
    [
        lambda endpoint: endpoint.update(server_timing=True),
        lambda endpoint: endpoint.patch({"spec": {"serverTiming": True}}),
        lambda endpoint: endpoint.replace(endpoint.serialize()),
        lambda endpoint: endpoint.delete(),
        lambda endpoint: endpoint.create_version("red", urls=URLS),
        lambda endpoint: endpoint.update_version("green", traffic_percentile=1),
        lambda endpoint: endpoint.delete_version("green"),
    ],
)
def test_a_lost_race_changes_nothing_until_it_has_been_read_again(api, maitre, endpoint, change):
    endpoint.create_version("green", urls=URLS)
    maitre.endpoint("digits").update(hosts=["digits.example.com"])
    before = api.etag("digits")
    with pytest.raises(Changed):
        change(endpoint)
    assert api.etag("digits") == before
    endpoint.refresh()
    change(endpoint)


def test_apply_makes_and_replaces_whatever_is_there(api, maitre, endpoint):
    wished = endpoint.serialize()
    wished["spec"]["serverTiming"] = True
    endpoint.update(hosts=["digits.example.com"])
    assert maitre.apply(wished).serialize() == wished
    endpoint.refresh()
    endpoint.delete()
    assert api.names() == []
    assert maitre.apply(wished).serialize() == maitre.endpoint("digits").serialize() == wished


def test_names_are_one_word_of_the_path(api, maitre):
    with pytest.raises(NotFound):
        maitre.endpoint("digits/listkeys?x=1")
    assert api.seen[-1] == ("GET", "/api/v1/endpoints/digits%2Flistkeys%3Fx%3D1")


def test_an_unknown_setting_is_a_mistake_of_the_caller(endpoint):
    with pytest.raises(TypeError, match="did you mean 'traffic_percentile'"):
        endpoint.update_version("blue", traffic_percentil=5)
