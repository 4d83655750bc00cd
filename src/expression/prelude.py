# The object surface of expressions. Not a module: `prelude.rs` takes from it what an expression needs.
#
# `_gw_native(function, ...)` suspends the sandbox until the host has answered. No dunder method may reach it, so queries
# load in ordinary functions only, and the rewriting of expressions puts those wherever Python would iterate or test.

# --- the border -------------------------------------------------------------------------------------------------------

def _gw_host(*call):
    answer = _gw_native(*call)
    if answer[0]:
        return _gw_enter(answer[1])
    return answer[1]


def _gw_enter(refs):
    # Objects exist before what refers to them: the host learns their identities, then gives attributes and value.
    made = [_gw_make(kind, key) for kind, key in refs]
    attributes, value = _gw_native("place", made)
    for one, fields in zip(made, attributes):
        for name, field in fields.items():
            setattr(one, name, field)
    return value


def _gw_make(kind, key):
    if kind == "$address":
        return _gw_address(key)
    if kind == "$network":
        return _gw_network(key)
    one = _gw_classes[kind]() if kind in _gw_classes else _Object()
    _gw_identify(one, kind, key)
    return one


def _gw_identify(one, kind, key):
    one._kind = kind
    one._id = key
    if kind == "authentik_core.user":
        one.ak_groups = _Query("authentik_core.group", (kind, key, "ak_groups"))
        one.groups = one.ak_groups
    elif kind == "authentik_core.group":
        one.users = _Query("authentik_core.user", (kind, key, "users"))
        one.children = _Query("authentik_core.group", (kind, key, "children"))


def _gw_save(one):
    answer = _gw_host("save", one)
    if answer is not None:
        _gw_identify(one, answer._kind, answer._id)
        for name in answer._names():
            setattr(one, name, getattr(answer, name))


def _gw_text(one):
    for name in ("name", "username", "slug", "title", "identifier"):
        if hasattr(one, name):
            return str(getattr(one, name))
    return one._kind + " object (" + str(one._id) + ")"


def _gw_same(one, other):
    if not hasattr(other, "_kind"):
        return False
    return one._kind == other._kind and one._id == other._id and one._id != ""


# --- truth, iteration, what the sandbox's language lacks -------------------------------------------------------------

def _gw_t(value):
    # The language does not ask objects for their truth.
    if isinstance(value, _Query):
        if value._manager or value._load():
            return value
        return []
    if isinstance(value, Response):
        return value if value.ok else False
    return value


def _gw_f(value):
    return value._load() if isinstance(value, _Query) and not value._manager else value


def _gw_bool(value=False):
    return bool(_gw_t(value))


def _gw_any(values):
    for value in values:
        if _gw_t(value):
            return True
    return False


def _gw_all(values):
    for value in values:
        if not _gw_t(value):
            return False
    return True


def _gw_filter(test, values):
    if test is None:
        return [value for value in values if _gw_t(value)]
    return [value for value in values if _gw_t(test(value))]


def _gw_next(values, *default):
    # Generator expressions are lists here; the first item is what one asks them for.
    if isinstance(values, list):
        if values:
            return values[0]
        if default:
            return default[0]
        raise StopIteration
    return next(values, *default)


def _gw_iter(values, *sentinel):
    return iter(values, *sentinel)


def _gw_del(container, key):
    if isinstance(key, slice):
        container[:] = [item for at, item in enumerate(container) if at not in range(len(container))[key]]
    else:
        container.pop(key)


def _gw_mod(left, right):
    if isinstance(left, str):
        return _gw_percent(left, right)
    return left % right


def _gw_percent(text, values):
    out = []
    at = 0
    used = 0
    size = len(text)
    while at < size:
        mark = text.find("%", at)
        if mark < 0:
            out.append(text[at:])
            break
        out.append(text[at:mark])
        at = mark + 1
        key = None
        if at < size and text[at] == "(":
            end = text.find(")", at)
            if end < 0:
                raise ValueError("incomplete format key")
            key = text[at + 1:end]
            at = end + 1
        start = at
        while at < size and text[at] in "-+ #0":
            at += 1
        flags = text[start:at]
        start = at
        while at < size and (text[at].isdigit() or text[at] in ".*"):
            at += 1
        width = text[start:at]
        if at >= size:
            raise ValueError("incomplete format")
        kind = text[at]
        at += 1
        if kind == "%":
            out.append("%")
            continue
        if "*" in width:
            raise ValueError("a width of * is not supported")
        if key is not None:
            value = values[key]
        elif isinstance(values, tuple):
            if used >= len(values):
                raise TypeError("not enough arguments for format string")
            value = values[used]
        elif used:
            raise TypeError("not enough arguments for format string")
        else:
            value = values
        used += 1
        if kind in "diu":
            value = int(value)
            kind = "d"
        elif kind in "sra":
            value = str(value) if kind == "s" else repr(value)
            kind = "s"
            flags = flags.replace("0", "").replace("+", "").replace(" ", "").replace("#", "")
            flags = "<" if "-" in flags else ">"
        elif kind == "c":
            value = value if isinstance(value, str) else chr(value)
            kind = "s"
            flags = "<" if "-" in flags else ">"
        elif kind not in "xXoeEfFgG":
            raise ValueError("unsupported format character '" + kind + "'")
        if kind != "s":
            left = "-" in flags
            spec = ("<" if left else "") + ("+" if "+" in flags else " " if " " in flags else "")
            spec += ("#" if "#" in flags else "") + ("0" if "0" in flags and not left else "")
            flags = spec
        out.append(format(value, flags + width + kind))
    if isinstance(values, tuple) and used < len(values):
        raise TypeError("not all arguments converted during string formatting")
    if used == 0 and not isinstance(values, (tuple, dict)):
        raise TypeError("not all arguments converted during string formatting")
    return "".join(out)


def _gw_len(value):
    return value._size() if hasattr(value, "_size") else len(value)


def _gw_instance(value, classes):
    if isinstance(classes, tuple):
        for one in classes:
            if _gw_instance(value, one):
                return True
        return False
    return isinstance(value, classes)


# --- queries ---------------------------------------------------------------------------------------------------------

class _Query:
    def __init__(self, model, related=None, manager=True):
        self._model = model
        self._related = related
        self._manager = manager
        self._steps = []
        self._answer = ("objects",)
        self._flat = False
        self._rows = None

    def _copy(self, step=None):
        new = _Query(self._model, self._related, False)
        new._steps = self._steps + [step] if step is not None else self._steps
        new._answer = self._answer
        new._flat = self._flat
        return new

    def _ask(self, *answer):
        return _gw_host("query", self._model, self._related, self._steps, answer)

    def _load(self):
        if self._rows is None:
            rows = self._ask(*self._answer)
            self._rows = [row[0] for row in rows] if self._flat else rows
        return self._rows

    def _size(self):
        return len(self._load())

    def __iter__(self):
        if self._rows is None:
            raise RuntimeError("this use of a query is not supported before it is loaded: make a list of it first")
        return iter(self._rows)

    def __contains__(self, item):
        if self._rows is None:
            raise RuntimeError("this use of a query is not supported before it is loaded: make a list of it first")
        return item in self._rows

    def __str__(self):
        return "<QuerySet " + (self._model if self._rows is None else str([str(row) for row in self._rows])) + ">"

    def __repr__(self):
        return "<QuerySet " + (self._model if self._rows is None else str([str(row) for row in self._rows])) + ">"

    def all(self):
        return self._copy()

    def filter(self, **conditions):
        return self._copy(("filter", _gw_conditions(conditions)))

    def exclude(self, **conditions):
        return self._copy(("exclude", _gw_conditions(conditions)))

    def order_by(self, *fields):
        return self._copy(("order_by", list(fields)))

    def reverse(self):
        return self._copy(("reverse",))

    def distinct(self):
        return self._copy(("distinct",))

    def none(self):
        new = self._copy()
        new._rows = []
        return new

    def iterator(self):
        return self._load()

    def select_related(self, *fields):
        return self._copy()

    def prefetch_related(self, *fields):
        return self._copy()

    def select_subclasses(self, *fields):
        return self._copy()

    def only(self, *fields):
        return self._copy()

    def defer(self, *fields):
        return self._copy()

    def values(self, *fields):
        new = self._copy()
        new._answer = ("values", list(fields))
        return new

    def values_list(self, *fields, flat=False):
        if flat and len(fields) != 1:
            raise TypeError("'flat' is not valid when values_list is called with other than one field.")
        new = self._copy()
        new._answer = ("tuples", list(fields))
        new._flat = flat
        return new

    def exists(self):
        return len(self._rows) > 0 if self._rows is not None else self._ask("exists")

    def count(self):
        return len(self._rows) if self._rows is not None else self._ask("count")

    def first(self):
        if self._rows is None:
            self = self._copy(("slice", 0, 1))
        rows = self._load()
        return rows[0] if rows else None

    def last(self):
        rows = self._load()
        return rows[-1] if rows else None

    def get(self, **conditions):
        new = self.filter(**conditions) if conditions else self._copy()
        new._steps = new._steps + [("slice", 0, 2)]
        rows = new._load()
        if not rows:
            raise LookupError("matching query does not exist.")
        if len(rows) > 1:
            raise LookupError("get() returned more than one object.")
        return rows[0]

    def contains(self, item):
        return item in self._load()

    def create(self, **fields):
        return _gw_host("create", self._model, fields)

    def get_or_create(self, defaults=None, **conditions):
        found = self.filter(**conditions).first()
        if found is not None:
            return found, False
        fields = {name: value for name, value in conditions.items() if "__" not in name}
        fields.update(defaults or {})
        return _gw_host("create", self._model, fields), True

    def update_or_create(self, defaults=None, **conditions):
        found = self.filter(**conditions).first()
        if found is None:
            return self.get_or_create(defaults, **conditions)
        for name, value in (defaults or {}).items():
            setattr(found, name, value)
        found.save()
        return found, False

    def update(self, **fields):
        return self._ask("update", fields)

    def delete(self):
        count = self._ask("delete")
        return count, {self._model: count}

    def union(self, *others):
        rows = list(self._load())
        for other in others:
            for row in _gw_rows(other):
                if row not in rows:
                    rows.append(row)
        return self._loaded(rows)

    def intersection(self, *others):
        rows = self._load()
        for other in others:
            rows = [row for row in rows if row in _gw_rows(other)]
        return self._loaded(rows)

    def difference(self, *others):
        rows = self._load()
        for other in others:
            rows = [row for row in rows if row not in _gw_rows(other)]
        return self._loaded(rows)

    def _loaded(self, rows):
        new = self._copy()
        new._rows = rows
        new._steps = [("filter", [("pk__in", [row._id for row in rows])])]
        return new

    def set(self, members):
        _gw_host("relate", self._related, "set", _gw_rows(members))

    def add(self, *members):
        _gw_host("relate", self._related, "add", list(members))

    def remove(self, *members):
        _gw_host("relate", self._related, "remove", list(members))

    def clear(self):
        _gw_host("relate", self._related, "clear", [])


def _gw_rows(value):
    if isinstance(value, _Query):
        return value._load()
    return list(value)


def _gw_conditions(conditions):
    return [(path, _gw_rows(value) if isinstance(value, _Query) else value) for path, value in conditions.items()]


# --- objects of the model --------------------------------------------------------------------------------------------

class _Object:
    DoesNotExist = LookupError
    MultipleObjectsReturned = LookupError

    def __init__(self, **fields):
        self._kind = ""
        self._id = ""
        for name, field in fields.items():
            setattr(self, name, field)

    def __str__(self):
        return _gw_text(self)

    def __repr__(self):
        return "<" + self._kind + ": " + _gw_text(self) + ">"

    def __eq__(self, other):
        return self is other or _gw_same(self, other)

    def __hash__(self):
        return hash((self._kind, self._id))

    def _names(self):
        return _gw_native("names", self)

    def save(self, *args, **kwargs):
        _gw_save(self)

    def delete(self):
        return _gw_host("delete", self)

    def refresh_from_db(self):
        pass

    def get_user_path(self):
        return _gw_host("method", self, "get_user_path", [], {})

    def get_full_path(self):
        return self.path

    def get_host(self):
        return self.META.get("HTTP_HOST", "")

    def get_launch_url(self, user=None):
        return _gw_host("method", self, "get_launch_url", [user], {})

    def get_provider(self):
        return _gw_host("method", self, "get_provider", [], {})


class User:
    objects = _Query("authentik_core.user")
    DoesNotExist = LookupError
    MultipleObjectsReturned = LookupError

    def __init__(self, **fields):
        _gw_identify(self, "authentik_core.user", "")
        for name, field in fields.items():
            setattr(self, name, field)

    def __str__(self):
        return self.username

    def __repr__(self):
        return "<User: " + self.username + ">"

    def __eq__(self, other):
        return self is other or _gw_same(self, other)

    def __hash__(self):
        return hash((self._kind, self._id))

    def _names(self):
        return _gw_native("names", self)

    def save(self, *args, **kwargs):
        _gw_save(self)

    def delete(self):
        return _gw_host("delete", self)

    def refresh_from_db(self):
        pass

    def all_groups(self):
        return _Query("authentik_core.group", (self._kind, self._id, "all_groups"), False)

    def group_attributes(self, request=None):
        return _gw_host("method", self, "group_attributes", [], {})

    def locale(self, request=None):
        return _gw_host("method", self, "locale", [], {})

    def has_usable_password(self):
        return _gw_host("method", self, "has_usable_password", [], {})

    def check_password(self, raw_password):
        return _gw_host("method", self, "check_password", [raw_password], {})

    def set_password(self, raw_password, *args, **kwargs):
        return _gw_host("method", self, "set_password", [raw_password], {})

    def set_unusable_password(self):
        return _gw_host("method", self, "set_unusable_password", [], {})

    def app_entitlements(self, app):
        return _gw_host("method", self, "app_entitlements", [app], {})

    def app_entitlements_attributes(self, app):
        return _gw_host("method", self, "app_entitlements_attributes", [app], {})

    def has_perm(self, *args):
        return _gw_host("method", self, "has_perm", list(args), {})

    def get_full_name(self):
        return self.name

    def get_username(self):
        return self.username


class Group:
    objects = _Query("authentik_core.group")
    DoesNotExist = LookupError
    MultipleObjectsReturned = LookupError

    def __init__(self, **fields):
        _gw_identify(self, "authentik_core.group", "")
        for name, field in fields.items():
            setattr(self, name, field)

    def __str__(self):
        return self.name

    def __repr__(self):
        return "<Group: " + self.name + ">"

    def __eq__(self, other):
        return self is other or _gw_same(self, other)

    def __hash__(self):
        return hash((self._kind, self._id))

    def _names(self):
        return _gw_native("names", self)

    def save(self, *args, **kwargs):
        _gw_save(self)

    def delete(self):
        return _gw_host("delete", self)

    def refresh_from_db(self):
        pass

    def is_member(self, user):
        return _Query("authentik_core.group", (user._kind, user._id, "all_groups"), False).filter(pk=self._id).exists()


# --- request and flow ------------------------------------------------------------------------------------------------

class _Request:
    def __init__(self, scope, context):
        self.user = scope["user"]
        self.http_request = scope["http_request"]
        self.obj = scope["object"]
        self.debug = scope["debug"]
        self.context = context

    def set_http_request(self, request):
        self.http_request = request


class _Plan:
    def __init__(self, context):
        self.context = context
        self._changes = []

    def redirect(self, url):
        self._changes.append(("redirect", str(url)))

    def append_stage(self, stage, marker=None):
        self._changes.append(("append", stage))

    def insert_stage(self, stage, marker=None, index=1):
        self._changes.append(("insert", stage, index))


def _gw_context(scope):
    plan = scope["plan"]
    if plan is None:
        return scope["context"]
    context = dict(plan)
    context.update(scope["context"])
    context["flow_plan"] = _Plan(plan)
    return context


# --- functions -------------------------------------------------------------------------------------------------------

def ak_message(message):
    _gw_native("message", str(message))


def list_flatten(value):
    if isinstance(value, (list, tuple)):
        return value[0] if len(value) > 0 else None
    return value


def regex_match(value, regex):
    return re.search(regex, value) is not None


def regex_replace(value, regex, repl):
    return re.sub(regex, repl, value)


def slugify(text, *args, **kwargs):
    return _gw_native("pure", "slugify", [str(text)])


def ak_is_group_member(user, **filters):
    return user.all_groups().filter(**filters).exists()


def ak_user_by(**filters):
    try:
        return User.objects.filter(**filters).first()
    except ValueError:
        return None


def ak_user_has_authenticator(user, device_type=None):
    return _gw_host("has_authenticator", user, device_type)


class PolicyResult:
    def __init__(self, passing, messages, raw_result):
        self.passing = passing
        self.messages = messages
        self.raw_result = raw_result

    def __str__(self):
        return "PolicyResult(passing=" + str(self.passing) + ")"


def _gw_call_policy(context, name, kwargs):
    context.update(kwargs)
    answer = _gw_host("call_policy", name, context)
    if "context" in answer:
        context.update(answer["context"])
    return PolicyResult(answer["passing"], tuple(answer["messages"]), answer["raw_result"])


def _gw_create_event(context, action, kwargs):
    fields = dict(context)
    fields.update(kwargs)
    return _gw_host("create_event", action, fields)


def ak_create_jwt(user, provider, scopes, validity="seconds=60"):
    return _gw_host("create_jwt", user, provider, list(scopes), validity)


def define_attribute(**fields):
    _gw_host("define_attribute", fields)


def resolve_dns(host, ip_version=None):
    return _gw_host("resolve_dns", host, ip_version)


def reverse_dns(ip_addr):
    return _gw_host("reverse_dns", str(ip_addr))


class _Logger:
    def __init__(self, name=""):
        self._name = name

    def _log(self, level, message, fields):
        _gw_native("log", level, str(message), fields)

    def debug(self, message, *args, **fields):
        self._log("debug", message, fields)

    def info(self, message, *args, **fields):
        self._log("info", message, fields)

    def warning(self, message, *args, **fields):
        self._log("warning", message, fields)

    def warn(self, message, *args, **fields):
        self._log("warning", message, fields)

    def error(self, message, *args, **fields):
        self._log("error", message, fields)

    def exception(self, message, *args, **fields):
        self._log("error", message, fields)

    def critical(self, message, *args, **fields):
        self._log("error", message, fields)

    def bind(self, **fields):
        return self


def get_logger(*args):
    return _Logger()


ak_logger = _Logger()

# An exception that `except Exception` lets pass; the language has no classes of exceptions of one's own.
SkipObject = KeyboardInterrupt

# --- addresses -------------------------------------------------------------------------------------------------------

class _Address:
    def __init__(self, fields):
        self.version = fields["version"]
        self.compressed = fields["text"]
        self.exploded = fields["exploded"]
        self.packed = fields["packed"]
        self.max_prefixlen = 32 if self.version == 4 else 128
        self.is_private = fields["is_private"]
        self.is_global = fields["is_global"]
        self.is_loopback = fields["is_loopback"]
        self.is_multicast = fields["is_multicast"]
        self.is_link_local = fields["is_link_local"]
        self.is_unspecified = fields["is_unspecified"]
        self.is_reserved = fields["is_reserved"]
        self.ipv4_mapped = ip_address(fields["ipv4_mapped"]) if fields["ipv4_mapped"] else None
        self._int = fields["int"]

    def __str__(self):
        return self.compressed

    def __repr__(self):
        return "IPv" + str(self.version) + "Address('" + self.compressed + "')"

    def __eq__(self, other):
        return isinstance(other, _Address) and self.version == other.version and self._int == other._int

    def __hash__(self):
        return hash(self._int)


class _Network:
    def __init__(self, fields):
        self.version = fields["version"]
        self.prefixlen = fields["prefixlen"]
        self.max_prefixlen = 32 if self.version == 4 else 128
        self.network_address = _Address(fields["first"])
        self.broadcast_address = _Address(fields["last"])
        self.num_addresses = self.broadcast_address._int - self.network_address._int + 1
        self.compressed = self.network_address.compressed + "/" + str(self.prefixlen)
        self.with_prefixlen = self.compressed
        self.is_private = self.network_address.is_private and self.broadcast_address.is_private
        self.is_global = not self.is_private
        self.is_loopback = self.network_address.is_loopback and self.broadcast_address.is_loopback

    def __contains__(self, other):
        if isinstance(other, _Network):
            return False
        if self.version != other.version:
            return False
        return self.network_address._int <= other._int <= self.broadcast_address._int

    def __str__(self):
        return self.compressed

    def __repr__(self):
        return "IPv" + str(self.version) + "Network('" + self.compressed + "')"

    def __eq__(self, other):
        return isinstance(other, _Network) and self.compressed == other.compressed

    def __hash__(self):
        return hash(self.compressed)

    def overlaps(self, other):
        return other.network_address in self or self.network_address in other

    def subnet_of(self, other):
        return self.network_address in other and self.broadcast_address in other

    def supernet_of(self, other):
        return other.subnet_of(self)


def _gw_address(fields):
    return _Address(fields)


def _gw_network(fields):
    return _Network(fields)


def ip_address(value):
    if isinstance(value, _Address):
        return value
    return _Address(_gw_native("pure", "address", [value]))


def ip_network(value, strict=True):
    if isinstance(value, _Network):
        return value
    return _Network(_gw_native("pure", "network", [str(value) if isinstance(value, _Address) else value, strict]))


# --- HTTP ------------------------------------------------------------------------------------------------------------

class Response:
    def __init__(self, fields):
        self.status_code = fields["status_code"]
        self.headers = fields["headers"]
        self.content = fields["content"]
        self.url = fields["url"]
        self.reason = fields["reason"]
        self.ok = self.status_code < 400
        self.encoding = "utf-8"
        self.text = self.content.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.text)

    def raise_for_status(self):
        if self.status_code >= 400:
            kind = "Client" if self.status_code < 500 else "Server"
            text = str(self.status_code) + " " + kind + " Error: " + self.reason + " for url: " + self.url
            raise OSError(text)

    def __str__(self):
        return "<Response [" + str(self.status_code) + "]>"

    def __repr__(self):
        return "<Response [" + str(self.status_code) + "]>"


class _Session:
    RequestException = OSError
    HTTPError = OSError
    ConnectionError = ConnectionError
    Timeout = TimeoutError

    def __init__(self):
        self.headers = {}
        self.auth = None

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def Session(self):
        return _Session()

    def session(self):
        return _Session()

    def close(self):
        pass

    def request(self, method, url, params=None, data=None, headers=None, auth=None, timeout=None, json=None,
                allow_redirects=True, verify=True, cookies=None, files=None, stream=False):
        if files is not None or cookies is not None:
            raise ValueError("files and cookies of requests are not supported")
        if not verify:
            raise ValueError("requests without verification of certificates are not supported")
        everything = dict(self.headers)
        everything.update(headers or {})
        fields = {
            "method": method.upper(), "url": str(url), "params": params, "data": data, "json": json,
            "has_json": json is not None, "headers": everything, "auth": auth or self.auth, "timeout": timeout,
            "follow": allow_redirects,
        }
        return Response(_gw_host("http", fields))

    def get(self, url, **options):
        return self.request("GET", url, **options)

    def options(self, url, **options):
        return self.request("OPTIONS", url, **options)

    def head(self, url, **options):
        return self.request("HEAD", url, **options)

    def post(self, url, data=None, **options):
        return self.request("POST", url, data=data, **options)

    def put(self, url, data=None, **options):
        return self.request("PUT", url, data=data, **options)

    def patch(self, url, data=None, **options):
        return self.request("PATCH", url, data=data, **options)

    def delete(self, url, **options):
        return self.request("DELETE", url, **options)


requests = _Session()
