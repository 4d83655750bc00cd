//! What is known of the language's own names.

use ruff_python_ast::Expr;

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
    "OverflowError",
    "PermissionError",
    "RecursionError",
    "RuntimeError",
    "StopIteration",
    "SyntaxError",
    "SystemExit",
    "TimeoutError",
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
const TRUTHS: &[&str] = &[
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
const TRUTH_METHODS: &[&str] = &[
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
const PLAIN_METHODS: &[&str] = &[
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

/// Whether the language's own truth of an expression is Python's, whatever it holds.
pub(super) fn is_plain_truth(expr: &Expr) -> bool {
    match expr {
        Expr::Compare(_)
        | Expr::BooleanLiteral(_)
        | Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::NoneLiteral(_) => true,
        Expr::Call(call) => match call.func.as_ref() {
            Expr::Name(name) => TRUTHS.contains(&name.id.as_str()),
            Expr::Attribute(method) => TRUTH_METHODS.contains(&method.attr.as_str()),
            _ => false,
        },
        _ => false,
    }
}

/// Whether an expression surely is no query.
pub(super) fn is_no_query(expr: &Expr) -> bool {
    match expr {
        Expr::List(_) | Expr::Tuple(_) | Expr::Set(_) | Expr::Dict(_) | Expr::StringLiteral(_) | Expr::FString(_) => {
            true
        }
        Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) | Expr::NumberLiteral(_) => true,
        Expr::BytesLiteral(_) | Expr::NoneLiteral(_) | Expr::BooleanLiteral(_) | Expr::Lambda(_) => true,
        Expr::Call(call) => match call.func.as_ref() {
            Expr::Name(name) => is(&name.id) || name.id == "ip_network",
            Expr::Attribute(method) => PLAIN_METHODS.contains(&method.attr.as_str()),
            _ => false,
        },
        _ => false,
    }
}
