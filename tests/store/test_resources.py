"""Endpoints and Secrets together: the configuration, as their events come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.kube.contact import Contact
from router.store.configuration import Configuration
from router.store.keys import KeyPair
from router.store.keys_in_force import MissingSecret, Owner
from router.store.resources import GATHER_S, ResourceStore
from tests.fakes.clock import FakeClock
from tests.fakes.resources import endpoint_resource as resource
from tests.fakes.resources import key_secret

PAIR = KeyPair("primary-key-0123", "secondary-key-0123")
OTHER = KeyPair("another-key-0123", "secondary-key-0123")
KEY = ("default", "digits")


def secret(pair: KeyPair = PAIR, name: str = "digits-keys", **more: str):
    return key_secret(name, pair.primary, pair.secondary, **more)


def make_store(clock: FakeClock, namespaces: tuple[str, ...] = ()) -> ResourceStore:
    contact, nobody = Contact(clock.now), httpx2.MockTransport(lambda request: httpx2.Response(503))
    return ResourceStore(
        httpx2.AsyncClient(transport=nobody),
        contact=contact,
        draw=lambda: 0.5,
        namespaces=namespaces,
        sleep=clock.sleep,
    )


async def load(store: ResourceStore) -> Configuration:
    """As if everything had been listed."""
    for reflector in store.reflectors:
        reflector.synced.set()
    return await store.load()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> ResourceStore:
    return make_store(clock)


@pytest.fixture
async def following(store: ResourceStore) -> AsyncIterator[list[Configuration]]:
    """What `changes` gave."""
    given: list[Configuration] = []

    async def follow() -> None:
        async for configuration in store.changes():
            given.append(configuration)  # noqa: PERF401  a list at once would never come

    task = asyncio.get_running_loop().create_task(follow())
    yield given
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nothing_is_given_before_everything_was_listed(store, clock):
    loading = asyncio.get_running_loop().create_task(store.load())
    first, *rest = store.reflectors
    for reflector in rest:
        reflector.synced.set()
    store.endpoints.put(resource("digits"))
    await clock.settle()
    assert not loading.done()
    first.synced.set()
    assert (await loading).catalogue.endpoints.keys() == {KEY}


async def test_one_reflector_of_each_kind_for_each_namespace(clock):
    subjects = [reflector.subject for reflector in make_store(clock, ("web", "shop")).reflectors]
    assert subjects == [
        "scoringendpoints in namespace web",
        "scoringendpoints in namespace shop",
        "secrets in namespace web",
        "secrets in namespace shop",
    ]
    assert [reflector.subject for reflector in make_store(clock).reflectors] == ["scoringendpoints", "secrets"]


async def test_an_endpoint_and_its_keys(store):
    store.secrets.put(secret())
    store.secrets.put(secret(OTHER, namespace="web"))
    store.endpoints.put(resource("digits"))
    store.endpoints.put(resource("digits", namespace="web"))
    configuration = await load(store)
    assert configuration.keys == {KEY: PAIR, ("web", "digits"): OTHER}
    assert configuration.problems == ()
    assert {str(directory) for directory in configuration.catalogue.directories.values()} == {"/etc/maitre/tls"}
    origin = configuration.origins[KEY]
    assert (origin.uid, origin.generation, origin.accepted) == ("uid-of-default-digits", 1, True)
    assert list(store.missing_secrets()) == []


async def test_a_refused_resource_has_an_origin(store):
    store.endpoints.put(resource("digits", versions=[]))
    configuration = await load(store)
    assert configuration.catalogue.endpoints == {}
    origin = configuration.origins[KEY]
    assert not origin.accepted
    assert origin.problems == configuration.problems != ()
    assert list(store.missing_secrets()) == [], "nothing is made for what is not served"


async def test_a_missing_secret_and_what_becomes_of_it(store, clock, following):
    store.endpoints.put(resource("digits"))
    before = await load(store)
    assert before.keys == {}
    assert before.origins[KEY].keys_missing
    assert before.origins[KEY].accepted
    assert before.problems == (), "it is being made"
    assert store.missing_secrets() == (
        MissingSecret(("default", "digits-keys"), (Owner(KEY, "uid-of-default-digits"),)),
    )
    assert store.news.is_set()
    store.could_not_make(("default", "digits-keys"), "Forbidden: no")
    store.could_not_make(("default", "digits-keys"), "Forbidden: no")
    await clock.advance(GATHER_S)
    assert str(following[-1].problems[0]).endswith("and it cannot be made: Forbidden: no")
    store.secrets.put(secret())
    await clock.advance(GATHER_S)
    assert following[-1].keys == {KEY: PAIR}
    assert following[-1].problems == ()
    assert store.missing_secrets() == ()
    assert len(following) == 2


@pytest.mark.parametrize("breaking", ["wrong", "without entries", "gone"])
async def test_the_last_good_pair_stays(store, clock, following, breaking):
    store.endpoints.put(resource("digits"))
    store.secrets.put(secret())
    await load(store)
    match breaking:
        case "wrong":
            store.secrets.put(key_secret("digits-keys", "short", PAIR.secondary))
        case "without entries":
            store.secrets.put(key_secret("digits-keys", None, None))
        case "gone":
            store.secrets.remove(secret())
    await clock.advance(GATHER_S)
    (after,) = following
    assert after.keys == {KEY: PAIR}
    assert (after.origins[KEY].key_problem is None) == (breaking == "gone"), "what is gone is made anew"
    assert after.problems == tuple(filter(None, [after.origins[KEY].key_problem]))
    assert after.origins[KEY].accepted, "the resource itself is right"
    assert after.origins[KEY].keys_missing == (breaking == "gone")
    assert [each.urgent for each in store.missing_secrets()] == ([False] if breaking == "gone" else [])
    assert "short" not in str(after.problems)
    assert PAIR.primary not in repr(after)
    store.secrets.put(secret(OTHER))
    await clock.advance(GATHER_S)
    assert following[-1].keys == {KEY: OTHER}
    assert following[-1].problems == ()


async def test_another_resource_of_the_same_name_inherits_no_keys(store):
    store.endpoints.put(resource("digits", uid="one"))
    store.secrets.put(secret())
    await load(store)
    store.secrets.remove(secret())
    store.endpoints.replace(None, [resource("digits", uid="two")])
    assert (await load(store)).keys == {}
    assert store.missing_secrets() == (MissingSecret(("default", "digits-keys"), (Owner(KEY, "two"),)),)


async def test_what_was_refused_comes_when_its_rival_goes(store, clock, following):
    store.endpoints.put(resource("old", hosts=["one.example.com"], auth={"mode": "none"}))
    await load(store)
    store.endpoints.put(resource("new", hosts=["one.example.com"], auth={"mode": "none"}))
    await clock.advance(GATHER_S)
    assert following[-1].origins["default", "new"].conflict
    store.endpoints.remove(resource("old"))
    await clock.advance(GATHER_S)
    assert following[-1].catalogue.endpoints.keys() == following[-1].origins.keys() == {("default", "new")}
    assert following[-1].origins["default", "new"].accepted
    assert following[-1].problems == ()


async def test_endpoints_may_share_a_secret(store):
    store.endpoints.put(resource("one", auth={"secretName": "shared"}))
    store.endpoints.put(resource("two", auth={"secretName": "shared"}))
    await load(store)
    (missing,) = store.missing_secrets()
    assert [owner.key[1] for owner in missing.owners] == ["one", "two"]
    store.secrets.put(secret(name="shared"))
    assert (await load(store)).keys == {("default", "one"): PAIR, ("default", "two"): PAIR}


async def test_the_secret_of_another_name(store):
    store.endpoints.put(resource("digits"))
    await load(store)
    store.endpoints.put(resource("digits", generation=2, auth={"secretName": "mine"}))
    store.secrets.put(secret(name="mine"))
    assert (await load(store)).keys == {KEY: PAIR}
    assert store.missing_secrets() == ()
    store.endpoints.put(resource("digits", generation=3, auth={"mode": "none"}))
    assert (await load(store)).keys == {}


async def test_a_burst_is_one_configuration(store, clock, following):
    await load(store)
    for index in range(50):
        store.endpoints.put(resource(f"digits-{index}"))
    await clock.advance(GATHER_S / 2)
    assert following == []
    store.endpoints.put(resource("late"))
    await clock.advance(GATHER_S / 2)
    assert [len(configuration.origins) for configuration in following] == [51]


async def test_what_does_not_matter_gives_no_configuration(store, clock, following):
    store.endpoints.put(resource("digits"))
    store.secrets.put(secret())
    before = await load(store)
    await clock.advance(1)
    store.secrets.put(secret(name="of-somebody-else"))
    store.secrets.put(secret())
    store.endpoints.put(resource("digits") | {"status": {"ready": "1/1"}})
    await clock.settle()
    assert clock.sleepers == 0, "nothing is even looked at"
    store.endpoints.put(resource("new"))
    store.endpoints.remove(resource("new"))
    store.secrets.put(secret(OTHER))
    store.secrets.put(secret())
    await clock.advance(1)
    assert following == [], "in the end everything is as it was"
    assert (await load(store)) == before


async def test_a_configuration_given_stays_as_it_was(store):
    store.endpoints.put(resource("one"))
    before = await load(store)
    store.endpoints.put(resource("two"))
    store.endpoints.remove(resource("one"))
    after = await load(store)
    assert [key[1] for key in before.catalogue.endpoints] == [key[1] for key in before.origins] == ["one"]
    assert [key[1] for key in after.catalogue.endpoints] == ["two"]


async def test_what_stays_is_the_same_object(store):
    for name in ("one", "two"):
        store.endpoints.put(resource(name))
        store.secrets.put(secret(name=f"{name}-keys"))
    before = await load(store)
    store.endpoints.put(resource("two", generation=2, serverTiming=True))
    after = await load(store)
    one = ("default", "one")
    assert after.catalogue.endpoints[one] is before.catalogue.endpoints[one]
    assert after.origins[one] is before.origins[one]


NAMES = st.sampled_from(["one", "two"])
MODES = st.sampled_from([{"mode": "none"}, {"secretName": "shared"}, {}])
RESOURCES = st.tuples(st.just("resource"), NAMES, MODES | st.none())
SECRETS = st.tuples(
    st.just("secret"), st.sampled_from(["one-keys", "shared"]), st.sampled_from([PAIR, OTHER]) | st.none()
)


@given(st.lists(RESOURCES | SECRETS, max_size=15), st.data())
def test_any_order_of_events_ends_where_a_list_would(events, data):
    """What is wrong or gone apart: there the last good pair stays, which a list knows nothing of."""

    async def play() -> None:
        clock = FakeClock()
        store, there, secrets = make_store(clock), {}, {}
        for number, (kind, name, what) in enumerate(events, 1):
            if kind == "secret":
                if what is None:
                    if (gone := secrets.pop(name, None)) is not None:
                        store.secrets.remove(gone)
                else:
                    secrets[name] = secret(what, name)
                    store.secrets.put(secrets[name])
            elif what is None:
                if (gone := there.pop(name, None)) is not None:
                    store.endpoints.remove(gone)
            else:
                there[name] = resource(name, generation=number, auth=what)
                store.endpoints.put(there[name])
            if data.draw(st.booleans()):
                await load(store)
        after = await load(store)
        listed = make_store(clock)
        listed.endpoints.replace(None, list(there.values()))
        listed.secrets.replace(None, list(secrets.values()))
        fresh = await load(listed)
        assert after.catalogue == fresh.catalogue
        assert after.origins == fresh.origins
        assert after.problems == fresh.problems
        assert {key: pair for key, pair in after.keys.items() if not fresh.origins[key].keys_missing} == fresh.keys
        # how urgent it is depends on what was there before
        missing, lacking = ([(each.key, each.owners) for each in of.missing_secrets()] for of in (store, listed))
        assert missing == lacking

    asyncio.run(play())
