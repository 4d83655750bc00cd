# Runs expressions on CPython with the engine's own prelude, answers of the host replayed.
#
# Reads a list of cases from the file named first, writes what came of each to standard output. The texts run as they are,
# unlike in the sandbox: what is compared is the rewriting and the sandbox's language, against Python.

import base64
import datetime as real_datetime
import hashlib
import ipaddress
import json
import sys
import textwrap
import types
import urllib.parse

ROOT = sys.argv[2] + "/src/expression/"
MODELS = {
    "Application": "authentik_core.application", "Token": "authentik_core.token", "Flow": "authentik_flows.flow",
    "PolicyBinding": "authentik_policies.policybinding", "OAuthSource": "authentik_sources_oauth.oauthsource",
    "DuoDevice": "authentik_stages_authenticator_duo.duodevice",
    "WebAuthnDevice": "authentik_stages_authenticator_webauthn.webauthndevice",
}


def run(case):
    replies = list(case["replies"])
    messages = []
    world = {"__name__": "expression", "_gw_y": []}

    def decode(value):
        if isinstance(value, list):
            return [decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and next(iter(value)).startswith("$"):
            (tag, content), = value.items()
            if tag == "$handle":
                one = world["_gw_make"](content["kind"], content["id"])
                names = content.get("attributes") or {}
                for name, item in names.items():
                    setattr(one, name, decode(item))
                one._given = list(names)
                return one
            if tag == "$bytes":
                return base64.b64decode(content)
            if tag == "$tuple":
                return tuple(decode(item) for item in content)
            if tag == "$datetime":
                return real_datetime.datetime.fromisoformat(content[0])
            raise ValueError(tag)
        return {key: decode(item) for key, item in value.items()}

    def encode(value):
        if isinstance(value, bool) or value is None or isinstance(value, (str, float)):
            return value
        if isinstance(value, int):
            return value
        if isinstance(value, bytes):
            return {"$bytes": base64.b64encode(value).decode()}
        if isinstance(value, world["_Query"]):
            return [encode(item) for item in value._load()]
        if isinstance(value, list):
            return [encode(item) for item in value]
        if isinstance(value, tuple):
            return {"$tuple": [encode(item) for item in value]}
        if isinstance(value, (set, frozenset)):
            return {"$set": sorted((encode(item) for item in value), key=json.dumps)}
        if isinstance(value, dict):
            return {key: encode(item) for key, item in value.items()}
        if isinstance(value, world["_Address"]):
            return {"$address": value.compressed}
        if hasattr(value, "__dict__"):
            fields = {
                key: encode(item) for key, item in vars(value).items()
                if not key.startswith("_") and not isinstance(item, world["_Query"])
            }
            name = "sandbox." + type(value).__name__.lstrip("_")
            return {"$handle": {"kind": getattr(value, "_kind", name), "id": getattr(value, "_id", ""), "attributes": fields}}
        raise ValueError(type(value))

    def pure(name, arguments):
        if name == "address":
            address = ipaddress.ip_address(arguments[0])
            names = "is_private is_global is_loopback is_multicast is_link_local is_unspecified is_reserved version exploded packed"
            fields = {name: getattr(address, name) for name in names.split()}
            fields.update(text=address.compressed, int=int(address), ipv4_mapped=None)
            return fields
        if name == "network":
            network = ipaddress.ip_network(*arguments)
            return {
                "version": network.version, "prefixlen": network.prefixlen,
                "first": pure("address", [network.network_address]), "last": pure("address", [network.broadcast_address]),
            }
        if name == "hash":
            return hashlib.new(arguments[0], arguments[2]).digest()
        if name == "quote":
            return urllib.parse.quote(arguments[0], arguments[1])
        if name == "slugify":
            return arguments[0].lower().replace(" ", "-")
        raise ValueError(name)

    def native(function, *arguments):
        if function == "message":
            return messages.append(arguments[0])
        if function == "log":
            return None
        if function == "names":
            return arguments[0]._given
        if function == "pure":
            return pure(*arguments)
        reply = replies.pop(0)
        if "error" in reply:
            raise __builtins__.__dict__.get(reply["error"], RuntimeError)(reply["message"])
        return (False, decode(reply["value"]))

    world["_gw_native"] = native
    library = open(ROOT + "library.py").read()
    cut = library.index("class _Module")
    exec(library[:cut] + open(ROOT + "prelude.py").read() + open(ROOT + "functions.py").read() + library[cut:], world)
    prelude = open(ROOT + "prelude.py").read()
    start = prelude.index("class _Object:")
    template = prelude[start:prelude.index("\n\n\n", start)]
    for name, kind in MODELS.items():
        text = template.replace("class _Object:", f"class {name}:\n    objects = _Query({kind!r})")
        text = text.replace('        self._kind = ""\n        self._id = ""\n', f"        _gw_identify(self, {kind!r}, '')\n")
        exec(text, world)
    world["_gw_classes"] = {kind: world[name] for name, kind in MODELS.items()}
    world["_gw_classes"]["authentik_core.user"] = world["User"]
    world["_gw_classes"]["authentik_core.group"] = world["Group"]

    # What the sandbox's rewriting does, Python does by itself.
    query = world["_Query"]
    query.__bool__ = lambda self: self._manager or bool(self._load())
    query.__len__ = lambda self: len(self._load())
    query.__getitem__ = lambda self, key: self._load()[key]
    query.__iter__ = lambda self: iter(self._load())
    query.__contains__ = lambda self, item: item in self._load()
    world["Response"].__bool__ = lambda self: self.ok

    class Moment(real_datetime.datetime):
        @classmethod
        def now(cls, zone=None):
            return native("now")[1]

    fakes = {}

    def fake(name, members):
        module = types.ModuleType(name)
        module.__path__ = []
        module.__dict__.update(members)
        fakes[name] = module

    for name in ["authentik", "authentik.core", "authentik.flows", "authentik.policies", "authentik.stages", "authentik.lib", "msgraph",
                 "msgraph.generated", "msgraph.generated.models", "authentik.stages.authenticator_duo",
                 "authentik.stages.authenticator_webauthn"]:
        fake(name, {})
    for name in ["authentik.core.models", "authentik.flows.models", "authentik.policies.models", "authentik.lib.config",
                 "authentik.stages.authenticator_duo.models", "authentik.stages.authenticator_webauthn.models",
                 "msgraph.generated.models.password_profile"]:
        fake(name, world)
    fakes["requests"] = world["requests"]
    fake("datetime", {**real_datetime.__dict__, "datetime": Moment})

    scope = decode(case["scope"])
    # Objects that are one in the sandbox are one here.
    same = {}

    def unite(value):
        if isinstance(value, dict):
            return {key: unite(item) for key, item in value.items()}
        if isinstance(value, list):
            return [unite(item) for item in value]
        if hasattr(value, "_kind"):
            key = (value._kind, value._id)
            if key not in same:
                same[key] = value
                for name in value._given:
                    setattr(value, name, unite(getattr(value, name)))
            return same[key]
        return value

    scope = unite(scope)
    variables = scope["variables"]
    context = world["_gw_context"](scope)
    world.update(variables)
    world["context"] = context
    world["request"] = world["_Request"](scope, context)
    world["http_request"] = scope["http_request"]
    world["ak_client_ip"] = world["ip_address"](case["client_ip"])
    world["ak_is_sso_flow"] = context.get("is_sso", False)
    world["ak_call_policy"] = lambda name, **kwargs: world["_gw_call_policy"](context, name, kwargs)
    world["ak_create_event"] = lambda action, **kwargs: world["_gw_create_event"](context, action, kwargs)
    world.setdefault("user", scope["user"])
    before = {name: sys.modules.get(name) for name in fakes}
    sys.modules.update(fakes)
    out = {}
    try:
        exec("def handler():\n" + textwrap.indent(case["text"], "    ") + "\n", world)
        value = world["handler"]()
        if isinstance(value, types.GeneratorType):
            value = list(value)
        out["truth"] = bool(value)
        out["value"] = encode(value)
    except BaseException as error:
        out["error"] = type(error).__name__
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
    if "error" not in out:
        plan = context.pop("flow_plan")
        out["context"] = encode(context)
        out["plan"] = encode(plan.context)
        out["changes"] = encode(plan._changes)
        out["variables"] = encode(variables)
    out["messages"] = messages
    out["left"] = len(replies)
    return out


print(json.dumps([run(case) for case in json.load(open(sys.argv[1]))]))
