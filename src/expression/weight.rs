//! How much a program could use up: whether the process itself may run it, or only a worker.
//!
//! The sandbox's language counts time and depth, but memory only in single large allocations. So the process runs
//! programs whose memory is bounded by their form: no open-ended loop, nothing that grows from one turn of a loop to the
//! next, no recursion, few places that repeat or pad. All others are heavy: they run where the system holds the bound.
//! The judgement errs to the heavy side; being heavy changes nothing but where a program runs.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{
    Expr, ExprContext, Operator, Stmt,
    visitor::{Visitor, walk_expr, walk_stmt},
};

/// Functions and methods whose result can be much larger than what they are given.
const AMPLIFY: &[&str] = &[
    "ljust",
    "rjust",
    "center",
    "zfill",
    "expandtabs",
    "translate",
    "sub",
    "subn",
    "regex_replace",
    "replace",
    "repeat",
    "bytes",
    "bytearray",
    "pow",
    "format",
    "format_map",
    "dumps",
    "product",
    "permutations",
    "combinations",
    "combinations_with_replacement",
    "accumulate",
    "chain",
    "cycle",
    "deepcopy",
];
/// Functions that go on for as long as they are told.
const ENDLESS: &[&str] =
    &["range", "cycle", "repeat", "iter", "product", "permutations", "combinations", "reduce", "accumulate"];
/// Methods that put their arguments into their object.
const STORE: &[&str] =
    &["append", "extend", "update", "insert", "add", "setdefault", "appendleft", "extendleft", "__setitem__"];
/// How many amplifying places outside loops are light.
const AMPLIFIERS: usize = 3;
/// How many times over the parts of a value may be in it.
const COPIES: usize = 64;

/// Whether a program has to run in a worker.
pub(super) fn is_heavy(body: &[Stmt]) -> bool {
    let mut scale = Scale {
        heavy: false,
        loops: 0,
        depth: 0,
        amplifiers: 0,
        copies: 1,
        functions: BTreeSet::new(),
        callables: false,
        edges: Vec::new(),
    };
    let mut callables = Callables(false);
    body.iter().for_each(|statement| callables.visit_stmt(statement));
    scale.callables = callables.0;
    body.iter().for_each(|statement| scale.visit_stmt(statement));
    scale.heavy || scale.amplifiers > AMPLIFIERS || scale.copies > COPIES
}

/// Whether functions are made.
struct Callables(bool);

impl<'a> Visitor<'a> for Callables {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.0 |= matches!(statement, Stmt::FunctionDef(_) | Stmt::ClassDef(_));
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        self.0 |= expr.is_lambda_expr();
        walk_expr(self, expr);
    }
}

struct Scale {
    heavy: bool,
    loops: usize,
    /// Functions within functions.
    depth: usize,
    amplifiers: usize,
    copies: usize,
    /// Functions defined before here.
    functions: BTreeSet<String>,
    callables: bool,
    /// Within the outermost loop: what flows into which name.
    edges: Vec<(String, BTreeSet<String>)>,
}

impl Scale {
    /// Something is stored in `target` that was made of what `sources` read.
    fn store<'a>(&mut self, target: Option<String>, sources: impl IntoIterator<Item = &'a Expr>) {
        let mut reads = Reads::default();
        sources.into_iter().for_each(|source| reads.visit_expr(source));
        self.copies = self.copies.saturating_mul(reads.count.max(1));
        if self.loops > 0 {
            match target {
                Some(target) => self.edges.push((target, reads.names)),
                None => self.heavy = true,
            }
        }
    }

    fn enter(&mut self, inside: impl FnOnce(&mut Self)) {
        self.loops += 1;
        self.heavy |= self.loops > 2;
        inside(self);
        self.loops -= 1;
        if self.loops == 0 {
            let edges = std::mem::take(&mut self.edges);
            self.heavy |= has_circle(&edges);
        }
    }

    fn assign(&mut self, target: &Expr, value: &Expr) {
        match target {
            Expr::Tuple(items) => items.elts.iter().for_each(|item| self.assign(item, value)),
            Expr::List(items) => items.elts.iter().for_each(|item| self.assign(item, value)),
            Expr::Starred(item) => self.assign(&item.value, value),
            target => self.store(root(target), [value]),
        }
    }
}

/// Whether a regular expression is used that could take long to build or to match: one with counted repetition, with
/// what needs backtracking, or one that is not written there at all. The language does not look at the clock inside.
fn is_wild_pattern(call: &ruff_python_ast::ExprCall) -> bool {
    let at = match call.func.as_ref() {
        Expr::Name(name) if matches!(name.id.as_str(), "regex_match" | "regex_replace") => 1,
        Expr::Attribute(method) if matches!(method.value.as_ref(), Expr::Name(module) if module.id == "re") => 0,
        _ => return false,
    };
    let Some(Expr::StringLiteral(pattern)) = call.arguments.args.get(at) else { return true };
    let text = pattern.value.to_str();
    let refers = |digit: char| text.contains(&format!("\\{digit}"));
    text.contains('{') || text.contains("(?") || ('1'..='9').any(refers)
}

/// `"…{name}…".format(…)` without widths is as long as its parts.
fn is_plain_format(call: &ruff_python_ast::ExprCall) -> bool {
    let Expr::Attribute(method) = call.func.as_ref() else { return false };
    let Expr::StringLiteral(text) = method.value.as_ref() else { return false };
    method.attr.as_str() == "format" && !text.value.to_str().contains(':')
}

/// The name that an assignment or a call in the end changes.
fn root(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(name) => Some(name.id.to_string()),
        Expr::Attribute(attribute) => root(&attribute.value),
        Expr::Subscript(item) => root(&item.value),
        Expr::Call(call) => root(&call.func),
        _ => None,
    }
}

/// Names that are read. Those called are no data.
#[derive(Default)]
struct Reads {
    names: BTreeSet<String>,
    count: usize,
}

impl<'a> Visitor<'a> for Reads {
    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if name.ctx == ExprContext::Load => {
                self.names.insert(name.id.to_string());
                self.count += 1;
            }
            Expr::Call(call) if call.func.is_name_expr() => {
                call.arguments.args.iter().for_each(|argument| self.visit_expr(argument));
                call.arguments.keywords.iter().for_each(|keyword| self.visit_expr(&keyword.value));
            }
            // What is compared is not kept.
            Expr::Compare(_) => {}
            _ => walk_expr(self, expr),
        }
    }
}

/// Whether something flows back into itself.
fn has_circle(edges: &[(String, BTreeSet<String>)]) -> bool {
    let mut sources: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (target, reads) in edges {
        sources.entry(target).or_default().extend(reads.iter().map(String::as_str));
    }
    // Whatever has no sources left that can be in a circle drops out, until nothing does.
    loop {
        let inner: Vec<&str> = sources.keys().copied().collect();
        let before = sources.len();
        sources.retain(|_, reads| reads.iter().any(|read| inner.contains(read)));
        if sources.is_empty() {
            return false;
        }
        if sources.len() == before {
            return true;
        }
    }
}

impl<'a> Visitor<'a> for Scale {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::While(_) => self.heavy = true,
            Stmt::For(each) => {
                self.visit_expr(&each.iter);
                self.enter(|scale| {
                    scale.assign(&each.target, &each.iter);
                    each.body.iter().for_each(|statement| scale.visit_stmt(statement));
                });
                each.orelse.iter().for_each(|statement| self.visit_stmt(statement));
                return;
            }
            Stmt::Assign(assign) => assign.targets.iter().for_each(|target| self.assign(target, &assign.value)),
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.assign(&assign.target, value);
                }
            }
            Stmt::AugAssign(assign) => {
                // A number that is counted up in a loop stays a number; anything else grows.
                let counts =
                    matches!(assign.op, Operator::Add | Operator::Sub) && assign.value.is_number_literal_expr();
                self.heavy |= self.loops > 0 && !counts;
                self.amplifiers += usize::from(!counts);
                self.copies = self.copies.saturating_mul(if counts { 1 } else { 2 });
            }
            Stmt::FunctionDef(function) => {
                self.depth += 1;
                // What a function does it may do as often as it is called.
                let (copies, amplifiers) = (self.copies, self.amplifiers);
                self.copies = 1;
                self.amplifiers = 0;
                walk_stmt(self, statement);
                self.heavy |= self.amplifiers > 1 || self.copies > 4;
                self.copies = copies.saturating_mul(self.copies);
                self.amplifiers += amplifiers;
                self.depth -= 1;
                self.heavy |= !self.functions.insert(function.name.to_string());
                return;
            }
            Stmt::ClassDef(_) => self.heavy = true,
            Stmt::Try(attempt) => self.heavy |= self.loops > 1 && !attempt.finalbody.is_empty(),
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Lambda(_) => {
                self.depth += 1;
                walk_expr(self, expr);
                self.depth -= 1;
                return;
            }
            Expr::ListComp(ast) => return self.comprehension(&ast.generators, [&*ast.elt]),
            Expr::SetComp(ast) => return self.comprehension(&ast.generators, [&*ast.elt]),
            Expr::Generator(ast) => return self.comprehension(&ast.generators, [&*ast.elt]),
            Expr::DictComp(_) => {
                self.enter(|scale| walk_expr(scale, expr));
                return;
            }
            Expr::Named(named) => self.assign(&named.target, &named.value),
            Expr::BinOp(operation) => match operation.op {
                Operator::Mult
                    if operation.left.is_number_literal_expr() && operation.right.is_number_literal_expr() => {}
                Operator::Mult | Operator::Pow | Operator::LShift => self.heavy = true,
                Operator::Mod => self.amplify(),
                _ => {}
            },
            Expr::FString(text) => {
                let specified = text.value.elements().any(|element| {
                    element.as_interpolation().is_some_and(|interpolation| interpolation.format_spec.is_some())
                });
                if specified {
                    self.amplify();
                }
            }
            Expr::Call(call) => {
                let name = match call.func.as_ref() {
                    Expr::Name(name) => {
                        let name = name.id.as_str();
                        // A function that calls what is not yet defined, or what it was given, may come back to itself.
                        let known =
                            super::builtins::is(name) || super::prelude::defines(name) || name.starts_with("ak_");
                        self.heavy |= self.callables && !known && (self.depth > 0 && !self.functions.contains(name));
                        self.heavy |= self.loops > 0 && self.functions.contains(name);
                        name
                    }
                    Expr::Attribute(method) => method.attr.as_str(),
                    _ => {
                        self.heavy |= self.callables;
                        ""
                    }
                };
                self.heavy |= ENDLESS.contains(&name) || is_wild_pattern(call);
                if AMPLIFY.contains(&name) && !is_plain_format(call) {
                    self.amplify();
                }
                if let Expr::Attribute(method) = call.func.as_ref()
                    && STORE.contains(&method.attr.as_str())
                {
                    let target = root(&method.value);
                    self.store(
                        target,
                        call.arguments.args.iter().chain(call.arguments.keywords.iter().map(|word| &word.value)),
                    );
                }
            }
            _ => {}
        }
        walk_expr(self, expr);
    }
}

impl Scale {
    fn amplify(&mut self) {
        self.amplifiers += 1;
        self.heavy |= self.loops > 0;
    }

    fn comprehension<'a>(
        &mut self,
        generators: &'a [ruff_python_ast::Comprehension],
        parts: impl IntoIterator<Item = &'a Expr>,
    ) {
        let mut deeper = 0;
        for generator in generators {
            self.visit_expr(&generator.iter);
            self.loops += 1;
            deeper += 1;
            generator.ifs.iter().for_each(|test| self.visit_expr(test));
        }
        self.heavy |= self.loops > 2;
        parts.into_iter().for_each(|part| self.visit_expr(part));
        self.loops -= deeper;
        if self.loops == 0 {
            let edges = std::mem::take(&mut self.edges);
            self.heavy |= has_circle(&edges);
        }
    }
}
