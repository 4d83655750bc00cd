# Functions of expressions, addresses, HTTP: the part of the object surface that is no model.

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

# The language has one exception for what goes wrong outside.
ConnectionError = OSError
IOError = OSError

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
    ConnectionError = OSError
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
