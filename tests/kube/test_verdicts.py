"""What becomes of endpoints that are wrong, or want what another one has; and what `kubectl get sep` shows."""

from lightkube.types import PatchType

from router.kube.resources import ScoringEndpoints
from tests.kube.resources import Resource, endpoint, version

STILL = {"autoscale": {"enabled": False}}


async def put(admin, namespace, name, *versions, **spec):
    """Another specification for an endpoint that is there."""
    wished = {"spec": endpoint(*versions, **spec)["spec"]}
    await admin.patch(ScoringEndpoints, name, wished, namespace=namespace, patch_type=PatchType.MERGE)


async def test_a_wrong_generation_says_why_and_the_last_good_one_stays(
    control_plane, admin, namespace, workload, maitre, resource
):
    """Wrong in ways that this server's schema lets pass."""
    await workload("blue", replicas=2)
    await admin.create(endpoint(version("blue", **STILL)), namespace=namespace)
    await resource.until("Ready", "True")
    connection = maitre.connection((await resource.keys())["primaryKey"])
    await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")

    upside_down = {"autoscale": {"minReplicas": 7, "maxReplicas": 3}}
    await put(admin, namespace, "digits", version("blue", **upside_down))
    refused = await resource.until("Accepted", "False", "Invalid")
    assert "spec.versions[0](blue).autoscale.minReplicas" in refused["message"]
    assert "more than maxReplicas" in refused["message"]
    assert "the last good generation stays in force" in refused["message"]
    assert (await resource.until_event("Refused")).type == "Warning"
    assert (await connection.post("digits")).status == 200
    assert await maitre.metric("maitre_config_valid") == 0

    both = [version("blue", trafficPercentile=60), version("green", trafficPercentile=60)]
    await put(admin, namespace, "digits", *both)
    await resource.until("Accepted", "False", "Invalid", about="they may add up to 100 at most")
    await control_plane.kubectl("api-resources")  # it remembers those of before the definition
    shown = await control_plane.kubectl("get", "sep", "--namespace", namespace)
    print(shown)
    header, row = (line.split() for line in shown.splitlines())
    assert header == ["NAME", "VERSIONS", "DEFAULT", "READY", "BUSY", "RPS", "AGE"]
    assert row[:5] == ["digits", "blue", "blue", "2/2", "0"]

    await put(admin, namespace, "digits", version("blue", **STILL), serverTiming=True)
    await resource.until("Accepted", "True", "Valid")
    assert "server-timing" in (await connection.post("digits")).headers


async def test_an_endpoint_that_never_was_right_is_not_served(admin, namespace, maitre):
    wrong = {"name": "blue", "target": {"command": ["python", "model.py", "--port", "{port}"]}}
    await admin.create(endpoint(wrong, name="wrong"), namespace=namespace)
    resource = Resource(admin, namespace, "wrong")
    refused = await resource.until("Accepted", "False", "Invalid")
    assert "spec.versions[0](blue).target.command" in refused["message"]
    assert "deployment or urls" in refused["message"]
    await resource.until("Ready", "False", "NotAccepted")
    assert (await maitre.connection(None).post("wrong")).status == 404


async def test_the_later_of_two_gets_what_both_want_when_the_first_is_gone(
    admin, namespace, workload, maitre, resource
):
    """A workload has one master; a host leads to one endpoint."""
    for name in ("blue", "green"):
        await workload(name)
    await admin.create(endpoint(version("blue", **STILL), hosts=["digits.test"]), namespace=namespace)
    await resource.until("Ready", "True")
    same_workload = Resource(admin, namespace, "also-blue")
    await admin.create(endpoint(version("blue", **STILL), name="also-blue", mode="none"), namespace=namespace)
    same_host = Resource(admin, namespace, "also-host")
    green = endpoint(version("green", **STILL), name="also-host", mode="none", hosts=["digits.test"])
    await admin.create(green, namespace=namespace)

    for each, key, what in (
        (same_workload, "spec.versions[0](blue).target.deployment", "blue"),
        (same_host, "spec.hosts[0]", "digits.test"),
    ):
        refused = await each.until("Accepted", "False", "Conflict")
        assert key in refused["message"]
        assert what in refused["message"]
        assert f"scoringendpoint {namespace}/digits" in refused["message"]
        assert "is taken already" in (await each.until_event("Refused")).message
    connection = maitre.connection(None)
    assert (await connection.post("also-blue")).status == 404
    assert (await connection.post("digits")).status == 401

    await admin.delete(ScoringEndpoints, "digits", namespace=namespace)
    for each in (same_workload, same_host):
        await each.until("Accepted", "True", "Valid")
        await each.until_event("Accepted")
        await each.until("Ready", "True")
    assert (await connection.post("also-blue")).version == "blue"
    on_host = b"POST /anything HTTP/1.1\r\nhost: digits.test\r\ncontent-length: 2\r\n\r\n{}"
    assert (await connection.send(on_host)).version == "green"
    assert (await connection.post("digits")).status == 404
