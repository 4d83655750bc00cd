# Modules that expressions may import and that the sandbox's language does not bring, as far as they are needed.

import re
import json
import base64
import math
import datetime as _gw_datetime


class _Module:
    def __init__(self, **names):
        for name, value in names.items():
            setattr(self, name, value)


# --- the reference system's own ---------------------------------------------------------------------------------------

USER_ATTRIBUTE_DEBUG = "goauthentik.io/user/debug"
USER_ATTRIBUTE_GENERATED = "goauthentik.io/user/generated"
USER_ATTRIBUTE_EXPIRES = "goauthentik.io/user/expires"
USER_ATTRIBUTE_DELETE_ON_LOGOUT = "goauthentik.io/user/delete-on-logout"
USER_ATTRIBUTE_SOURCES = "goauthentik.io/user/sources"
USER_ATTRIBUTE_TOKEN_EXPIRING = "goauthentik.io/user/token-expires"
USER_ATTRIBUTE_TOKEN_MAXIMUM_LIFETIME = "goauthentik.io/user/token-maximum-lifetime"
USER_ATTRIBUTE_CHANGE_USERNAME = "goauthentik.io/user/can-change-username"
USER_ATTRIBUTE_CHANGE_NAME = "goauthentik.io/user/can-change-name"
USER_ATTRIBUTE_CHANGE_EMAIL = "goauthentik.io/user/can-change-email"
USER_PATH_SYSTEM_PREFIX = "goauthentik.io"
USER_PATH_SERVICE_ACCOUNT = "goauthentik.io/service-accounts"


class UserTypes:
    INTERNAL = "internal"
    EXTERNAL = "external"
    SERVICE_ACCOUNT = "service_account"
    INTERNAL_SERVICE_ACCOUNT = "internal_service_account"


class FlowAuthenticationRequirement:
    NONE = "none"
    REQUIRE_AUTHENTICATED = "require_authenticated"
    REQUIRE_UNAUTHENTICATED = "require_unauthenticated"
    REQUIRE_SUPERUSER = "require_superuser"
    REQUIRE_REDIRECT = "require_redirect"
    REQUIRE_OUTPOST = "require_outpost"


class FlowDesignation:
    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    INVALIDATION = "invalidation"
    ENROLLMENT = "enrollment"
    UNRENOLLMENT = "unenrollment"
    RECOVERY = "recovery"
    STAGE_CONFIGURATION = "stage_configuration"


class _Config:
    # Expressions do not see the server's configuration: what they ask for is not set.
    def get(self, path, default=None):
        return default

    def get_bool(self, path, default=False):
        return default

    def y_bool(self, path, default=False):
        return default

    def y(self, path, default=None):
        return default


CONFIG = _Config()


class PasswordProfile:
    def __init__(self, **fields):
        for name, value in fields.items():
            setattr(self, name, value)


def generate_id(length=40):
    return "".join([_gw_choice(_gw_letters + "0123456789") for _ in range(length)])


# --- random numbers and time ------------------------------------------------------------------------------------------

_gw_letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _gw_below(limit):
    if limit <= 0:
        raise ValueError("empty range")
    return int(_gw_host("random", 16).hex(), 16) % limit


def _gw_choice(items):
    if not items:
        raise IndexError("Cannot choose from an empty sequence")
    return items[_gw_below(len(items))]


def _gw_random():
    return _gw_below(9007199254740992) / 9007199254740992


def _gw_randrange(start, stop=None):
    if stop is None:
        return _gw_below(start)
    return start + _gw_below(stop - start)


def _gw_randint(low, high):
    return low + _gw_below(high - low + 1)


def _gw_uniform(low, high):
    return low + (high - low) * _gw_random()


def _gw_choices(items, k=1):
    return [_gw_choice(items) for _ in range(k)]


def _gw_sample(items, k):
    rest = list(items)
    if k > len(rest):
        raise ValueError("Sample larger than population or is negative")
    return [rest.pop(_gw_below(len(rest))) for _ in range(k)]


def _gw_shuffle(items):
    mixed = _gw_sample(items, len(items))
    items.clear()
    items.extend(mixed)


def _gw_token_bytes(nbytes=32):
    return _gw_host("random", nbytes)


def _gw_token_hex(nbytes=32):
    return _gw_host("random", nbytes).hex()


def _gw_token_urlsafe(nbytes=32):
    return base64.urlsafe_b64encode(_gw_host("random", nbytes)).decode("ascii").rstrip("=")


def _gw_compare_digest(left, right):
    return left == right


def _gw_time():
    return _gw_host("now").timestamp()


def _gw_now():
    return _gw_host("now")


_gw_m_random = _Module(
    random=_gw_random, randint=_gw_randint, randrange=_gw_randrange, uniform=_gw_uniform, choice=_gw_choice,
    choices=_gw_choices, sample=_gw_sample, shuffle=_gw_shuffle)
_gw_m_secrets = _Module(
    token_bytes=_gw_token_bytes, token_hex=_gw_token_hex, token_urlsafe=_gw_token_urlsafe, choice=_gw_choice,
    randbelow=_gw_below, compare_digest=_gw_compare_digest)
_gw_m_time = _Module(time=_gw_time)
_gw_m_timezone = _Module(now=_gw_now)

# --- hashes and identifiers -------------------------------------------------------------------------------------------

class _Hash:
    def __init__(self, name, data=b"", key=None):
        self.name = name
        self._data = data
        self._key = key

    def update(self, data):
        self._data = self._data + data

    def copy(self):
        return _Hash(self.name, self._data, self._key)

    def digest(self):
        return _gw_native("pure", "hash", [self.name, self._key, self._data])

    def hexdigest(self):
        return self.digest().hex()


def _gw_hash(name, data=b"", **options):
    return _Hash(name.lower(), data)


def _gw_md5(data=b"", **options):
    return _Hash("md5", data)


def _gw_sha1(data=b"", **options):
    return _Hash("sha1", data)


def _gw_sha224(data=b"", **options):
    return _Hash("sha224", data)


def _gw_sha256(data=b"", **options):
    return _Hash("sha256", data)


def _gw_sha384(data=b"", **options):
    return _Hash("sha384", data)


def _gw_sha512(data=b"", **options):
    return _Hash("sha512", data)


def _gw_hmac(key, msg=b"", digestmod="sha256"):
    if not isinstance(digestmod, str):
        digestmod = digestmod().name
    return _Hash(digestmod.lower(), msg, key)


_gw_m_hashlib = _Module(
    new=_gw_hash, md5=_gw_md5, sha1=_gw_sha1, sha224=_gw_sha224, sha256=_gw_sha256, sha384=_gw_sha384,
    sha512=_gw_sha512)
_gw_m_hmac = _Module(new=_gw_hmac, compare_digest=_gw_compare_digest)


class UUID:
    def __init__(self, hex=None, bytes=None):
        if bytes is not None:
            hex = bytes.hex()
        digits = hex.replace("urn:", "").replace("uuid:", "").strip("{}").replace("-", "").lower()
        if len(digits) != 32:
            raise ValueError("badly formed hexadecimal UUID string")
        self.int = int(digits, 16)
        self.hex = digits
        self.version = int(digits[12], 16)

    def __str__(self):
        text = self.hex
        return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]

    def __repr__(self):
        return "UUID('" + str(self) + "')"

    def __eq__(self, other):
        return isinstance(other, UUID) and self.hex == other.hex

    def __hash__(self):
        return hash(self.hex)


def _gw_uuid4():
    digits = _gw_host("random", 16).hex()
    return UUID(digits[:12] + "4" + digits[13:16] + "89ab"[int(digits[16], 16) % 4] + digits[17:])


def _gw_uuid5(namespace, name):
    return UUID(_gw_native("pure", "uuid5", [namespace.hex, name]))


_gw_m_uuid = _Module(
    UUID=UUID, uuid4=_gw_uuid4, uuid5=_gw_uuid5,
    NAMESPACE_DNS=UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    NAMESPACE_URL=UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8"))

# --- URLs -------------------------------------------------------------------------------------------------------------

class _Url:
    def __init__(self, parts):
        self.scheme = parts[0]
        self.netloc = parts[1]
        self.path = parts[2]
        self.params = ""
        self.query = parts[3]
        self.fragment = parts[4]
        place = self.netloc
        user, at, rest = place.rpartition("@")
        self.username = None
        self.password = None
        if at:
            self.username = user.partition(":")[0]
            self.password = user.partition(":")[2] if ":" in user else None
        host = rest
        port = ""
        if rest.startswith("["):
            host, _, port = rest[1:].partition("]")
            port = port.lstrip(":")
        elif ":" in rest:
            host, _, port = rest.partition(":")
        self.hostname = host.lower() if host else None
        self.port = int(port) if port else None

    def __iter__(self):
        return iter([self.scheme, self.netloc, self.path, self.params, self.query, self.fragment])

    def geturl(self):
        return _gw_urlunparse([self.scheme, self.netloc, self.path, "", self.query, self.fragment])

    def __str__(self):
        return self.geturl()

    def _replace(self, **parts):
        now = {"scheme": self.scheme, "netloc": self.netloc, "path": self.path, "query": self.query,
               "fragment": self.fragment}
        now.update(parts)
        return _Url([now["scheme"], now["netloc"], now["path"], now["query"], now["fragment"]])


def _gw_urlparse(url, scheme="", allow_fragments=True):
    rest, _, fragment = str(url).partition("#")
    rest, _, query = rest.partition("?")
    before, colon, after = rest.partition(":")
    if colon and before and before[0].isalpha() and re.fullmatch("[A-Za-z0-9+.-]+", before):
        scheme = before.lower()
        rest = after
    netloc = ""
    if rest.startswith("//"):
        netloc, slash, rest = rest[2:].partition("/")
        rest = slash + rest
    return _Url([scheme, netloc, rest, query, fragment])


def _gw_urlunparse(parts):
    scheme, netloc, path, params, query, fragment = parts
    url = path
    if netloc:
        if url and not url.startswith("/"):
            url = "/" + url
        url = "//" + netloc + url
    if scheme:
        url = scheme + ":" + url
    if query:
        url = url + "?" + query
    if fragment:
        url = url + "#" + fragment
    return url


def _gw_quote(text, safe="/"):
    return _gw_native("pure", "quote", [text, safe])


def _gw_quote_plus(text, safe=""):
    return _gw_native("pure", "quote", [text, safe + " "]).replace(" ", "+")


def _gw_unquote(text):
    return _gw_native("pure", "unquote", [text])


def _gw_unquote_plus(text):
    return _gw_native("pure", "unquote", [text.replace("+", " ")])


def _gw_urlencode(query, doseq=False):
    pairs = query.items() if isinstance(query, dict) else query
    out = []
    for name, value in pairs:
        for one in value if doseq and isinstance(value, (list, tuple)) else [value]:
            out.append(_gw_quote_plus(str(name)) + "=" + _gw_quote_plus(str(one)))
    return "&".join(out)


def _gw_parse_qsl(query, keep_blank_values=False):
    out = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if pair and (value or keep_blank_values):
            out.append((_gw_unquote_plus(name), _gw_unquote_plus(value)))
    return out


def _gw_parse_qs(query, keep_blank_values=False):
    out = {}
    for name, value in _gw_parse_qsl(query, keep_blank_values):
        out.setdefault(name, []).append(value)
    return out


_gw_m_parse = _Module(
    urlparse=_gw_urlparse, urlsplit=_gw_urlparse, urlunparse=_gw_urlunparse, quote=_gw_quote,
    quote_plus=_gw_quote_plus, unquote=_gw_unquote, unquote_plus=_gw_unquote_plus, urlencode=_gw_urlencode,
    parse_qs=_gw_parse_qs, parse_qsl=_gw_parse_qsl)
_gw_m_urllib = _Module(parse=_gw_m_parse)

# --- the rest ---------------------------------------------------------------------------------------------------------

_gw_m_string = _Module(
    ascii_letters=_gw_letters, ascii_lowercase=_gw_letters[:26], ascii_uppercase=_gw_letters[26:],
    digits="0123456789", hexdigits="0123456789abcdefABCDEF", octdigits="01234567",
    punctuation="!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", whitespace=" \t\n\r\x0b\x0c")


def _gw_copy(value):
    if isinstance(value, list):
        return list(value)
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, set):
        return set(value)
    return value


def _gw_deepcopy(value):
    if isinstance(value, list):
        return [_gw_deepcopy(item) for item in value]
    if isinstance(value, dict):
        return {key: _gw_deepcopy(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple([_gw_deepcopy(item) for item in value])
    return _gw_copy(value)


_gw_m_copy = _Module(copy=_gw_copy, deepcopy=_gw_deepcopy)
_gw_m_ipaddress = _Module(
    ip_address=ip_address, ip_network=ip_network, IPv4Address=_Address, IPv6Address=_Address, IPv4Network=_Network,
    IPv6Network=_Network)
_gw_m_logging = _Module(getLogger=get_logger, get_logger=get_logger)
