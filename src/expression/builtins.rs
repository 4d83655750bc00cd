//! What is known of the language's own names.

/// Functions and types of the language, constants and exceptions.
const NAMES: &[&str] = &[
    "abs",
    "all",
    "any",
    "ascii",
    "bin",
    "bool",
    "bytes",
    "callable",
    "chr",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "filter",
    "float",
    "format",
    "frozenset",
    "getattr",
    "hasattr",
    "hash",
    "hex",
    "id",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "min",
    "next",
    "object",
    "oct",
    "ord",
    "pow",
    "print",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "str",
    "sum",
    "tuple",
    "type",
    "zip",
    "None",
    "True",
    "False",
    "Ellipsis",
    "NotImplemented",
    "Exception",
    "BaseException",
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "EOFError",
    "ImportError",
    "IndexError",
    "KeyError",
    "KeyboardInterrupt",
    "LookupError",
    "ModuleNotFoundError",
    "NameError",
    "NotImplementedError",
    "OSError",
    "IOError",
    "OverflowError",
    "PermissionError",
    "RecursionError",
    "RuntimeError",
    "StopIteration",
    "SyntaxError",
    "SystemExit",
    "TimeoutError",
    "ConnectionError",
    "TypeError",
    "UnboundLocalError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "ValueError",
    "ZeroDivisionError",
    "__name__",
];

/// Those among them that go through an argument.
const ITERATING: &[&str] = &[
    "dict",
    "enumerate",
    "frozenset",
    "iter",
    "list",
    "map",
    "max",
    "min",
    "reversed",
    "set",
    "sorted",
    "sum",
    "tuple",
    "zip",
];

/// Methods of the language's own types that go through an argument.
const ITERATING_METHODS: &[&str] = &[
    "join",
    "extend",
    "intersection_update",
    "difference_update",
    "symmetric_difference",
    "issubset",
    "issuperset",
    "isdisjoint",
    "fromkeys",
];

/// Functions whose result is true or false for the language as for Python.
pub(super) const TRUTHS: &[&str] = &[
    "isinstance",
    "issubclass",
    "hasattr",
    "callable",
    "any",
    "all",
    "bool",
    "len",
    "int",
    "float",
    "str",
    "list",
    "set",
    "dict",
    "tuple",
    "sorted",
    "regex_match",
    "ak_is_group_member",
    "ak_user_has_authenticator",
];

/// Methods of which the same holds.
pub(super) const TRUTH_METHODS: &[&str] = &[
    "startswith",
    "endswith",
    "exists",
    "count",
    "isdigit",
    "isalpha",
    "isalnum",
    "isspace",
    "islower",
    "isupper",
    "strip",
    "lower",
    "upper",
    "split",
    "has_usable_password",
    "keys",
    "items",
];

/// Methods whose result is no query, by names that queries do not have.
pub(super) const PLAIN_METHODS: &[&str] = &[
    "items",
    "keys",
    "split",
    "rsplit",
    "partition",
    "rpartition",
    "splitlines",
    "lower",
    "upper",
    "strip",
    "get_or_create",
    "update_or_create",
    "groups",
    "findall",
    "finditer",
];

/// Dunder methods that the sandbox calls. A class that defines others would behave unlike Python, so it is refused.
pub(super) const DISPATCHED: &[&str] = &[
    "__init__",
    "__eq__",
    "__hash__",
    "__iter__",
    "__next__",
    "__contains__",
    "__str__",
    "__repr__",
    "__enter__",
    "__exit__",
];

/// Whether the language defines a name.
pub(super) fn is(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Whether a function of the language goes through its arguments.
pub(super) fn iterates(name: &str) -> bool {
    ITERATING.contains(&name)
}

/// Whether a method goes through its arguments.
pub(super) fn method_iterates(name: &str) -> bool {
    ITERATING_METHODS.contains(&name)
}
