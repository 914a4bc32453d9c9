"""One version of an endpoint put, patched or deleted, and what that does to the marks of the others.

Pure: a resource as the user wrote it in, another one out, and nothing else of it is touched: keys that the router does
not know, the order of the versions, what the others say. Values are judged later, by whoever stores the result; here
only what a change owes to the marks is seen to (section 3 of the contract):

- a version that says `isDefault: true` or `type: control` takes the mark from the one that has it;
- the default passes to another version by such a word, or by `new_default` when it goes, never by itself. Where none
  is marked the first that is no mirror is the default, and stays it in the same sense;
- `isDefault: false` says nothing of a version that is not the default, and is not written down.

Called by `router.admin.version_operations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from router.admin.merge_patch import merge
from router.errors import MaitreError, VersionUnknown
from router.model.problems import ConfigurationRefused, Problem
from router.store.writing import Resource

Version: TypeAlias = Mapping[str, Any]
"""As the user wrote it."""

SOURCE = "request"
"""What problems of a change call the place that they are in."""


class DefaultVersion(MaitreError):
    """The default cannot go, or stop being it, while nobody takes its place; the message says how somebody can."""


class LastVersion(MaitreError):
    """The last version goes only with its endpoint."""


class NewDefaultUnknown(MaitreError):
    """Who is to be the default instead is no other version of the endpoint."""


def version_of(resource: Resource, name: str) -> Version:
    """Raises VersionUnknown."""
    return _versions(resource)[_index(resource, name)]


def has_version(resource: Resource, name: str) -> bool:
    return any(version.get("name") == name for version in _versions(resource))


def put_version(resource: Resource, name: str, version: Version) -> Resource:
    """`version` in the place of the one of this name, or behind all others. Where it does not say whether it is the
    default, it is if it was. Raises ConfigurationRefused for another name in it, DefaultVersion."""
    put = _named(name, version)
    if not has_version(resource, name):
        return _with_change(resource, [*_versions(resource), put], put)
    index = _index(resource, name)
    if "isDefault" not in put and _versions(resource)[index].get("isDefault") is True:
        put["isDefault"] = True
    return _with_change(resource, _replaced(resource, index, put), put)


def patch_version(resource: Resource, name: str, patch: Version) -> Resource:
    """The version with a merge patch applied. Raises VersionUnknown, ConfigurationRefused for another name in it,
    DefaultVersion."""
    index = _index(resource, name)
    patched = _named(name, merge(_versions(resource)[index], patch))
    if "isDefault" in patch and patch["isDefault"] is None:
        patched["isDefault"] = False  # taking the word away is meant to take the mark away
    return _with_change(resource, _replaced(resource, index, patched), patched)


def delete_version(resource: Resource, name: str, new_default: str | None = None) -> Resource:
    """Without the version. Raises VersionUnknown, LastVersion, DefaultVersion, NewDefaultUnknown."""
    versions = _versions(resource)
    index = _index(resource, name)
    if len(versions) == 1:
        raise LastVersion(f"{name} is the last version and goes only with its endpoint; delete the endpoint instead")
    rest = [*versions[:index], *versions[index + 1 :]]
    if new_default is None:
        if default_name(versions) == name:
            raise DefaultVersion(
                f"{name} is the default version, and others stand; name the one that is to take its place "
                "(newDefault=NAME), or make another one the default first"
            )
        return _with_versions(resource, rest)
    heir = next((version for version in rest if version.get("name") == new_default), None)
    if heir is None:
        raise NewDefaultUnknown(f"newDefault is {new_default!r}, which is no other version of the endpoint")
    marked = {**heir, "isDefault": True}
    return _with_versions(resource, _unmarked([marked if version is heir else version for version in rest], marked))


def default_name(versions: list[Version]) -> str | None:
    """Who is the default; None where nobody can be."""
    live = [version for version in versions if not _is_mirror(version)]
    marked = next((version for version in versions if version.get("isDefault") is True), None)
    default = marked or (live[0] if live else None)
    return None if default is None else default.get("name")


def _with_change(resource: Resource, versions: list[Version], changed: dict[str, Any]) -> Resource:
    """With `changed`, which is one of `versions`, having taken its marks and nobody having lost one silently."""
    before = default_name(_versions(resource))
    name = changed["name"]
    if changed.get("isDefault") is False:
        said = has_version(resource, name) and version_of(resource, name).get("isDefault") is False
        if before == name and not said and len(versions) > 1:
            raise DefaultVersion(f"{name} is the default version; say isDefault: true of the one that is to be instead")
        del changed["isDefault"]
    after = _unmarked(versions, changed)
    if changed.get("isDefault") is not True and before is not None and default_name(after) not in {before, None}:
        raise DefaultVersion(
            f"{before} is the default version and would not be any more; say isDefault: true of another one first"
        )
    return _with_versions(resource, after)


def _unmarked(versions: list[Version], taker: Version) -> list[Version]:
    """The others without the marks that `taker` has now."""
    taken: set[tuple[str, Any]] = {("isDefault", True)} if taker.get("isDefault") is True else set()
    if taker.get("type") == "control":
        taken.add(("type", "control"))
    return [version if version is taker else _without(version, taken) for version in versions]


def _without(version: Version, marks: set[tuple[str, Any]]) -> Version:
    lost = {key for key, mark in marks if version.get(key) == mark}
    return {key: value for key, value in version.items() if key not in lost} if lost else version


def _named(name: str, version: Version) -> dict[str, Any]:
    """The version with its name before all else. Raises ConfigurationRefused when it bears another one."""
    given = version.get("name", name)
    if given != name:
        message = f"must be {name}, as in the path, or left out; a version cannot be renamed"
        raise ConfigurationRefused([Problem(SOURCE, None, "name", None, message)])
    return {"name": name, **version}


def _versions(resource: Resource) -> list[Version]:
    """Those that are mappings: what a cluster holds may have been refused, and be anything."""
    spec = resource.get("spec")
    versions = spec.get("versions") if isinstance(spec, Mapping) else None
    return [version for version in versions if isinstance(version, Mapping)] if isinstance(versions, list) else []


def _index(resource: Resource, name: str) -> int:
    for index, version in enumerate(_versions(resource)):
        if version.get("name") == name:
            return index
    raise VersionUnknown(f"the endpoint has no version {name!r}")


def _replaced(resource: Resource, index: int, version: Version) -> list[Version]:
    versions = _versions(resource)
    return [*versions[:index], version, *versions[index + 1 :]]


def _with_versions(resource: Resource, versions: list[Version]) -> Resource:
    spec = resource.get("spec")
    return {**resource, "spec": {**(spec if isinstance(spec, Mapping) else {}), "versions": versions}}


def _is_mirror(version: Version) -> bool:
    percentile = version.get("mirrorPercentile", 0)
    return isinstance(percentile, int | float) and percentile > 0
