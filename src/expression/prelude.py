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


def _gw_del(container, key):
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
        out.append(("{:" + flags + width + kind + "}").format(value))
    if isinstance(values, tuple) and used < len(values):
        raise TypeError("not all arguments converted during string formatting")
    if used == 0 and not isinstance(values, (tuple, dict)):
        raise TypeError("not all arguments converted during string formatting")
    return "".join(out)


def format(value, spec=""):
    return ("{:" + spec + "}").format(value)


def _gw_iso(value, sep="T", timespec="auto"):
    text = value.isoformat()
    head = text[:19]
    dotted = text[19:20] == "."
    fraction = text[20:26] if dotted else "000000"
    zone = text[26:] if dotted else text[19:]
    if timespec == "auto":
        cut = head + ("." + fraction if dotted else "")
    elif timespec == "hours":
        cut = head[:13]
    elif timespec == "minutes":
        cut = head[:16]
    elif timespec == "seconds":
        cut = head
    elif timespec == "milliseconds":
        cut = head + "." + fraction[:3]
    elif timespec == "microseconds":
        cut = head + "." + fraction
    else:
        raise ValueError("Unknown timespec value")
    return cut[:10] + sep + cut[11:] + zone


def _gw_len(value):
    return value._size() if hasattr(value, "_size") else len(value)


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
