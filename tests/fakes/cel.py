"""What an API server since 1.25 does with the CEL rules in the schema of a custom resource."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cel_expr_python.cel as cel

from tests.fakes.schema import Schema


class CelRules:
    """The rules of a schema, compiled with what Kubernetes adds to CEL and they use."""

    def __init__(self, schema: Schema) -> None:
        total = cel.Overload(
            "list_sum", return_type=cel.Type.DOUBLE, parameters=[cel.Type.List(cel.Type.DYN)], is_member=True, impl=sum
        )
        self._env = cel.NewEnv(variables={"self": cel.Type.DYN}, functions=[cel.FunctionDecl("sum", [total])])
        self._schema = schema
        self._compiled: dict[str, cel.Expression] = {}

    def broken(self, value: Any) -> list[str]:
        """The messages of all rules that do not hold for a stored value."""
        return list(self._broken(value, self._schema))

    def _broken(self, value: Any, schema: Schema) -> Iterator[str]:
        for rule in schema.get("x-kubernetes-validations", ()):
            verdict = self._expression(rule["rule"]).eval(data={"self": _typed(value, schema)}).plain_value()
            assert verdict is True or verdict is False, f"{rule['rule']}: {verdict}"
            if not verdict:
                yield rule["message"]
        if schema["type"] == "array":
            for entry in value:
                yield from self._broken(entry, schema["items"])
        elif "properties" in schema:
            for key, inner in value.items():
                yield from self._broken(inner, schema["properties"][key])

    def _expression(self, text: str) -> cel.Expression:
        if text not in self._compiled:
            self._compiled[text] = self._env.compile(text)
            assert self._compiled[text].return_type() == cel.Type.BOOL
        return self._compiled[text]


def _typed(value: Any, schema: Schema) -> Any:
    """A number is a double for CEL, also one without decimals."""
    match schema["type"]:
        case "object" if "properties" in schema:
            return {key: _typed(inner, schema["properties"][key]) for key, inner in value.items()}
        case "array":
            return [_typed(entry, schema["items"]) for entry in value]
        case "number":
            return float(value)
        case _:
            return value
