"""Files and directories: what is read, what is skipped, and who wins where two claim the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from router.model.catalogue import ConfigFile, combine, read, read_file
from router.model.parsing import MAX_BYTES, parse


def endpoint(name: str, host: str | None = None) -> str:
    hosts = f"  hosts: [{host}]\n" if host else ""
    return (
        "apiVersion: maitre.dev/v1alpha1\nkind: ScoringEndpoint\n"
        f"metadata: {{name: {name}}}\nspec:\n{hosts}"
        "  versions:\n    - name: blue\n      target: {urls: ['http://127.0.0.1:5001']}\n"
    )


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        (directory / name.replace("_", ".")).write_text(text)


def test_a_file(tmp_path: Path) -> None:
    write(tmp_path, digits_conf=endpoint("digits"))
    reading = read(tmp_path / "digits.conf")
    assert reading.problems == ()
    assert list(reading.catalogue.endpoints) == [("default", "digits")]
    assert reading.catalogue.directories == {("default", "digits"): tmp_path}


def test_a_directory_is_read_in_order_and_not_below(tmp_path: Path) -> None:
    write(tmp_path, b_yml=endpoint("bbb"), a_yaml=endpoint("aaa"), c_json="{}", notes_txt="x: [")
    write(tmp_path, c_json='{"primaryKey": "x", "secondaryKey": "y"}')
    (tmp_path / ".hidden.yaml").write_text("x: [")
    (tmp_path / "below.yaml").mkdir()
    reading = read(tmp_path)
    assert reading.problems == ()
    assert [file.path.name for file in reading.files] == ["a.yaml", "b.yml"]
    assert [name for _, name in reading.catalogue.endpoints] == ["aaa", "bbb"]


def test_a_mounted_config_map_is_a_directory_of_links(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    write(tmp_path / "..data", a_yaml=endpoint("aaa"))
    (tmp_path / "a.yaml").symlink_to(Path("..data") / "a.yaml")
    reading = read(tmp_path)
    assert reading.catalogue.directories == {("default", "aaa"): tmp_path}


def test_a_wrong_file_leaves_the_others_in_force(tmp_path: Path) -> None:
    write(tmp_path, a_yaml=endpoint("A"), b_yaml=endpoint("bbb"))
    reading = read(tmp_path)
    assert [str(problem).partition(": ")[0] for problem in reading.problems] == [f"{tmp_path}/a.yaml:3"]
    assert list(reading.catalogue.endpoints) == [("default", "bbb")]


def test_a_keys_file_by_itself_is_no_configuration(tmp_path: Path) -> None:
    write(tmp_path, keys_yaml="primaryKey: x\n")
    assert "holds the keys" in str(read(tmp_path / "keys.yaml").problems)
    assert read(tmp_path).problems == ()


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (problem,) = read(tmp_path / "missing.yaml").problems
    assert str(problem) == f"{tmp_path}/missing.yaml: cannot be read: No such file or directory"
    (problem,) = read(tmp_path).problems
    assert problem.message == "there is no file of the names *.yaml, *.yml, *.json in this directory"


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (problem,) = read(tmp_path / "pipe.yaml").problems
    assert problem.message == "is not a regular file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    write(tmp_path, a_yaml=endpoint("aaa"))
    (tmp_path / "a.yaml").chmod(0)
    assert "cannot be read: Permission denied" in str(read(tmp_path).problems)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_directory_without_permission(tmp_path: Path) -> None:
    directory = tmp_path / "closed"
    directory.mkdir(mode=0)
    assert "cannot be read: Permission denied" in str(read(directory).problems)


def test_a_link_to_itself_is_a_problem_too(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (problem,) = read(tmp_path / "loop").problems
    assert "cannot be read" in problem.message


def test_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + endpoint("aaa").encode())
    assert read_file(path).parsed.problems == ()
    path.write_bytes(endpoint("aaa").encode() + b"# caf\xe9\n")
    (problem,) = read_file(path).parsed.problems
    assert str(problem) == f"{path}:8: is not UTF-8 text; save it in that encoding"


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    (problem,) = read_file(path).parsed.problems
    assert "too large" in problem.message


def parsed(name: str, text: str) -> ConfigFile:
    return ConfigFile(Path(name), parse(text, name))


def test_the_first_file_has_what_two_claim_and_the_other_is_refused_whole() -> None:
    first = parsed("a.yaml", endpoint("digits"))
    second = parsed("b.yaml", endpoint("letters") + "---\n" + endpoint("digits"))
    third = parsed("c.yaml", endpoint("letters"))
    catalogue, problems = combine([third, second, first])
    assert list(catalogue.endpoints) == [("default", "digits"), ("default", "letters")]
    assert list(map(str, problems)) == [
        "b.yaml:11: metadata.name: the name digits in namespace default is taken already, by a.yaml:3"
    ]


def test_a_host_belongs_to_one_file() -> None:
    first, second = parsed("a.yaml", endpoint("aaa", "x.example")), parsed("b.yaml", endpoint("bbb", "x.example"))
    catalogue, problems = combine([first, second])
    assert list(catalogue.endpoints) == [("default", "aaa")]
    assert list(map(str, problems)) == ["b.yaml:5: spec.hosts[0]: the host x.example is taken already, by a.yaml:5"]


def test_a_catalogue_does_not_change() -> None:
    catalogue, _ = combine([parsed("a.yaml", endpoint("aaa"))])
    with pytest.raises(TypeError):
        catalogue.endpoints[("default", "bbb")] = catalogue.endpoints[("default", "aaa")]  # type: ignore[index]
