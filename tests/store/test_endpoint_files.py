"""A document put into the text of a file, or taken out of it."""

import pytest

from router.store.endpoint_files import emptied, has_endpoints, with_added, with_changed, without

DOCUMENT = {"apiVersion": "x", "metadata": {"name": "new", "namespace": "default"}}
NEW = "apiVersion: x\nmetadata:\n  name: new\n"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", NEW),
        ("[]", NEW),
        ("# top\n\n[]  # none\n", "# top\n\n" + NEW),
        ("---\n---\n", NEW),
        ("a: 1", "a: 1\n---\n" + NEW),
        ("a: 1\n...\n# end\n", "a: 1\n...\n# end\n---\n" + NEW),
        ("a: 1\r\n", "a: 1\r\n---\r\n" + NEW.replace("\n", "\r\n")),
        ("\ufeff# top\n[]\n", "\ufeff# top\n" + NEW),
    ],
)
def test_a_document_is_added(text, after):
    assert with_added(text, DOCUMENT, as_json=False) == after


@pytest.mark.parametrize(
    ("text", "number", "after"),
    [
        ("a: 1\n---\nb: 2\n", 0, "---\nb: 2\n"),
        ("a: 1\n---\nb: 2\n", 1, "a: 1\n"),
        ("# top\n  a: 1\n---\nb: 2\n", 0, "# top\n---\nb: 2\n"),
        ("# top\n---\na: 1\n--- # two\nb: 2\n", 0, "# top\n--- # two\nb: 2\n"),
        ("a: 1\n...\n%YAML 1.2\n---\nb: 2\n...\n---\nc: 3", 1, "a: 1\n...\n---\nc: 3"),
        ("\ufeffa: 1\n---\n--- {b: 2}\n", 2, "\ufeffa: 1\n---\n"),
        ("# top\na: 1\n", 0, "# top\n"),
    ],
)
def test_a_document_is_taken_out(text, number, after):
    assert without(text, number) == after


def test_a_document_is_changed_and_a_namespace_that_is_not_said_stays_unsaid():
    text = "\ufeff# top\n---\n# nothing\n---\nmetadata: {name: new}  # which\n--- {a: 1}\n"
    assert with_changed(text, 1, DOCUMENT) == text.replace("# which\n", "# which\napiVersion: x\n")
    said = text.replace("{name: new}", "{namespace: default, name: new}")
    assert with_changed(said, 1, DOCUMENT) == said.replace("# which\n", "# which\napiVersion: x\n")


def test_a_text_without_endpoints():
    assert emptied("# top\n---\n") == "# top\n[]\n"
    assert not has_endpoints("# top\n[]\n---\n")
    assert has_endpoints("\ufeff[]\n---\na: 1\n")
