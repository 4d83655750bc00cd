"""Loads YAML texts with PyYAML and prints type and value of everything as JSON.

Reads a JSON list of texts from standard input; writes a JSON list of {"ok": value} or {"error": message}.
"""

import datetime
import json
import struct
import sys

import yaml

request = json.load(sys.stdin)


class Tagged:
    def __init__(self, name, payload):
        self.name, self.payload = name, payload


class Loader(yaml.SafeLoader):
    pass


def tagged(loader, node):
    if isinstance(node, yaml.ScalarNode):
        return Tagged(node.tag, node.value)
    if isinstance(node, yaml.SequenceNode):
        return Tagged(node.tag, loader.construct_sequence(node, deep=True))
    return Tagged(node.tag, loader.construct_mapping(node, deep=True))


for tag in request["tags"]:
    Loader.add_constructor(tag, tagged)


def encode(value):
    if isinstance(value, Tagged):
        return ["tag", value.name, encode(value.payload)]
    if value is None:
        return ["null"]
    if isinstance(value, bool):
        return ["bool", value]
    if isinstance(value, int):
        return ["int", str(value)]
    if isinstance(value, float):
        return ["float", "nan" if value != value else struct.pack(">d", value).hex()]
    if isinstance(value, str):
        return ["text", value]
    if isinstance(value, datetime.datetime):
        return ["datetime", value.isoformat()]
    if isinstance(value, datetime.date):
        return ["date", value.isoformat()]
    if isinstance(value, bytes):
        return ["binary", value.hex()]
    if isinstance(value, dict):
        return ["map", [[encode(key), encode(item)] for key, item in value.items()]]
    if isinstance(value, set):
        return ["list", sorted((encode(item) for item in value), key=str)]
    return ["list", [encode(item) for item in value]]


def load(text):
    try:
        return {"ok": encode(yaml.load(text, Loader))}
    except Exception as error:
        return {"error": str(error)}


json.dump([load(text) for text in request["texts"]], sys.stdout)
