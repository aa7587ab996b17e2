"""Holds every message against protocol/carrel.1.json, so that each test tests the protocol's description too."""

import json
import pathlib

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "protocol" / "carrel.1.json"
JSON_TYPES = {"boolean": bool, "integer": int, "string": str, "array": list}


class Broken(AssertionError):
    """A message that is not as the protocol's description says."""


class Protocol:
    def __init__(self, source=SOURCE):
        self.description = json.loads(source.read_text(encoding="utf-8"))
        self.types = self.description["types"]
        self.requests = self.description["requests"]
        self.events = self.description["events"]
        self.kinds = {name: kind["value"] for name, kind in self.description["binary"]["kinds"].items()}
        self.limits = {name: limit["value"] for name, limit in self.description["limits"].items()}

    def check_event(self, message, request_type=None):
        """An event, or the reply to a request of the given type."""
        name = message.get("type")
        if name not in self.events:
            raise Broken(f"no such event: {message!r}")
        fields = {"type": "line", **self.events[name]["fields"]}
        if name == "reply":
            request = self.requests.get(request_type)
            if request is None or "reply" not in request:
                raise Broken(f"a reply to what has none ({request_type}): {message!r}")
            fields.update(request["reply"])
        self._check_fields(message, fields, name)

    def _check_fields(self, value, fields, where):
        if not isinstance(value, dict):
            raise Broken(f"{where} is not an object: {value!r}")
        for key in value:
            if key not in fields:
                raise Broken(f"{where} has a field that is not in the protocol: {key}")
        for key, field in fields.items():
            optional = field.endswith("?")
            if key in value:
                self._check(value[key], field.rstrip("?"), f"{where}.{key}")
            elif not optional:
                raise Broken(f"{where} lacks {key}: {value!r}")

    def _check(self, value, type_name, where):
        if type_name.endswith("[]"):
            if not isinstance(value, list):
                raise Broken(f"{where} is not a list: {value!r}")
            for index, element in enumerate(value):
                self._check(element, type_name[:-2], f"{where}[{index}]")
            return
        description = self.types[type_name]
        if "fields" in description:
            self._check_fields(value, description["fields"], where)
        else:
            self._check_plain(value, description, where)

    @staticmethod
    def _check_plain(value, description, where):
        kind = JSON_TYPES[description["json"]]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise Broken(f"{where} should be {description['json']}: {value!r}")
        if "values" in description and value not in description["values"]:
            raise Broken(f"{where} is none of {description['values']}: {value!r}")
        size = len(value.encode()) if kind is str else len(value) if kind is list else value
        if "minimum" in description and size < description["minimum"]:
            raise Broken(f"{where} is too small: {value!r}")
        if "maximum" in description and kind is not bool and size > description["maximum"]:
            raise Broken(f"{where} is too large: {size}")
