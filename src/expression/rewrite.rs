//! From the text of an expression to a function that the sandbox's language can run.
//!
//! The text is the body of a function, so it is indented under one, as the reference does it. It is parsed, what cannot
//! run is refused with its place, and the rest is edited in place: every edit keeps the lines where they are.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{
    self as ast, CmpOp, Expr, ExprContext, Operator, Stmt, UnaryOp,
    token::TokenKind,
    visitor::{Visitor, walk_comprehension, walk_expr, walk_stmt},
};
use ruff_python_parser::{Parsed, parse_module};
use ruff_text_size::{Ranged, TextRange};

use super::{
    Fault, Names, Variables, builtins,
    places::{Places, wrap},
    prelude,
};

/// How deeply a text may nest.
const DEPTH: usize = 180;
/// The longest text in bytes.
const LONGEST: usize = 64 << 10;

/// An expression as a function of the sandbox's language.
pub(super) struct Rewritten {
    /// The definition of `_gw_body`, which takes nothing.
    pub text: String,
    /// The text before the edits, for judging its weight.
    pub parsed: Parsed<ast::ModModule>,
    /// Whether it yields; its result is then the list `_gw_y`.
    pub yields: bool,
    /// Assignments of what imports stand for, to be made before the function.
    pub imports: Vec<(String, String)>,
    /// Names that the function reads and does not bind itself.
    pub free: BTreeSet<String>,
    /// Helpers of the prelude that the edits brought in.
    pub helpers: BTreeSet<&'static str>,
    /// Names of attributes that the expression may ask for.
    pub names: Names,
    /// What is doubtful.
    pub warnings: Vec<Fault>,
}

/// Parses and rewrites a text.
pub(super) fn rewrite(source: &str, variables: &Variables) -> Result<Rewritten, Vec<Fault>> {
    let wrapped = wrap(source);
    let places = Places::new(&wrapped);
    let fault = |range: TextRange, construct: &str, message: String, help: Option<String>| {
        vec![places.fault(range, construct, message, help)]
    };
    if source.len() > LONGEST {
        let message = format!("the expression is longer than {} KiB", LONGEST >> 10);
        return Err(fault(TextRange::default(), "length", message, None));
    }
    let parsed = parse_module(&wrapped)
        .map_err(|error| fault(error.location, "syntax", format!("Expression Syntax Error: {}", error.error), None))?;
    let body = match &parsed.syntax().body[..] {
        [Stmt::FunctionDef(function)] => &function.body,
        _ => {
            let message = "Expression Syntax Error: the indentation leaves the expression".to_owned();
            return Err(fault(parsed.syntax().range(), "syntax", message, None));
        }
    };
    let marks = parsed
        .tokens()
        .iter()
        .filter(|token| matches!(token.kind(), TokenKind::Percent | TokenKind::Lsqb))
        .map(|token| (token.start().to_usize(), token.kind()))
        .collect();
    let mut writer = Writer {
        text: &wrapped,
        places: &places,
        marks,
        edits: Vec::new(),
        faults: Vec::new(),
        bound: BTreeSet::new(),
        read: BTreeMap::new(),
        names: BTreeSet::new(),
        computed: false,
        imports: Vec::new(),
        helpers: BTreeSet::new(),
        yields: false,
        functions: 0,
        depth: 0,
    };
    for statement in body {
        writer.visit_stmt(statement);
    }
    if !writer.faults.is_empty() {
        writer.faults.sort_by_key(|fault| (fault.line, fault.column));
        writer.faults.dedup();
        return Err(writer.faults);
    }
    let text = writer.edited();
    let mut warnings = Vec::new();
    let mut free = BTreeSet::new();
    for (name, range) in &writer.read {
        if writer.bound.contains(name) {
            continue;
        }
        free.insert(name.clone());
        let known = builtins::is(name)
            || prelude::defines(name)
            || prelude::special(name, variables.purpose)
            || variables.names.contains(name);
        if !known {
            let near = prelude::nearest(name, variables);
            warnings.push(places.fault(
                *range,
                "name",
                format!("nothing defines `{name}`"),
                near.map(|near| format!("did you mean `{near}`?")),
            ));
        }
    }
    let names = if writer.computed { Names::All } else { Names::Only(writer.names) };
    let (yields, imports, helpers) = (writer.yields, writer.imports, writer.helpers);
    Ok(Rewritten { text, parsed, yields, imports, free, helpers, names, warnings })
}

struct Writer<'a> {
    text: &'a str,
    places: &'a Places<'a>,
    /// Tokens of interest, by offset.
    marks: Vec<(usize, TokenKind)>,
    edits: Vec<(usize, usize, String)>,
    faults: Vec<Fault>,
    bound: BTreeSet<String>,
    read: BTreeMap<String, TextRange>,
    names: BTreeSet<String>,
    computed: bool,
    imports: Vec<(String, String)>,
    helpers: BTreeSet<&'static str>,
    yields: bool,
    functions: usize,
    depth: usize,
}

impl<'a> Writer<'a> {
    fn refuse(&mut self, range: TextRange, construct: &str, help: &str) {
        let message = format!("`{construct}` is not supported in expressions");
        self.faults.push(self.places.fault(
            range,
            construct,
            message,
            Some(help.to_owned()).filter(|help| !help.is_empty()),
        ));
    }

    fn insert(&mut self, at: usize, text: &str) {
        self.edits.push((at, at, text.to_owned()));
    }

    fn replace(&mut self, start: usize, end: usize, text: &str) {
        self.edits.push((start, end, text.to_owned()));
    }

    /// Puts a helper around an expression, whose own edits `inner` makes.
    fn wrap(&mut self, range: TextRange, helper: &'static str, inner: impl FnOnce(&mut Self)) {
        self.helpers.insert(helper);
        self.insert(range.start().to_usize(), &format!("{helper}("));
        inner(self);
        self.insert(range.end().to_usize(), ")");
    }

    /// The first mark of a kind between two offsets.
    fn mark(&self, kind: TokenKind, from: usize, to: usize) -> Option<usize> {
        let first = self.marks.partition_point(|(at, _)| *at < from);
        self.marks[first..].iter().take_while(|(at, _)| *at < to).find(|(_, found)| *found == kind).map(|(at, _)| *at)
    }

    /// The text with all edits made.
    fn edited(&mut self) -> String {
        self.edits.sort_by_key(|(start, ..)| *start);
        let mut out = String::with_capacity(self.text.len() + self.edits.len() * 8);
        let mut at = 0;
        for (start, end, text) in &self.edits {
            if *start > at {
                out.push_str(&self.text[at..*start]);
            }
            out.push_str(text);
            at = at.max(*end);
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        out
    }

    /// An expression of which only the truth matters.
    fn test(&mut self, expr: &'a Expr) {
        match expr {
            Expr::BoolOp(both) => both.values.iter().for_each(|value| self.test(value)),
            Expr::UnaryOp(not) if not.op == UnaryOp::Not => self.visit_expr(expr),
            _ if builtins::is_plain_truth(expr) => self.visit_expr(expr),
            _ => self.wrap(expr.range(), "_gw_t", |writer| writer.visit_expr(expr)),
        }
    }

    /// An expression that is gone through: a query has to have its rows by then.
    fn rows(&mut self, expr: &'a Expr) {
        if builtins::is_no_query(expr) {
            self.visit_expr(expr);
        } else {
            self.wrap(expr.range(), "_gw_f", |writer| writer.visit_expr(expr));
        }
    }

    fn bind(&mut self, identifier: &ast::Identifier) {
        self.reserved(identifier.as_str(), identifier.range());
        self.bound.insert(identifier.to_string());
    }

    fn reserved(&mut self, name: &str, range: TextRange) {
        if name.starts_with("_gw_") {
            self.refuse(range, name, "names that begin with `_gw_` belong to the engine");
        }
    }

    /// `moment.isoformat(timespec=…)`: the language's own takes no arguments.
    fn isoformat(&mut self, call: &'a ast::ExprCall, method: &'a ast::ExprAttribute) {
        let name = method.attr.start().to_usize();
        let Some(dot) = self.text[..name].rfind('.') else { return };
        self.wrap(call.range(), "_gw_iso", |writer| {
            writer.visit_expr(&method.value);
            writer.replace(dot, call.arguments.start().to_usize() + 1, ", ");
            call.arguments.args.iter().for_each(|argument| writer.visit_expr(argument));
            call.arguments.keywords.iter().for_each(|keyword| writer.visit_expr(&keyword.value));
            // The closing parenthesis of the call was there already.
            writer.replace(call.end().to_usize() - 1, call.end().to_usize(), "");
        });
    }

    fn call(&mut self, call: &'a ast::ExprCall) {
        if let Expr::Attribute(method) = call.func.as_ref()
            && method.attr.as_str() == "isoformat"
            && (call.arguments.args.len() + call.arguments.keywords.len()) > 0
        {
            return self.isoformat(call, method);
        }
        let mut force = false;
        match call.func.as_ref() {
            Expr::Name(name) => {
                let own = match name.id.as_str() {
                    "bool" => Some("_gw_bool"),
                    "any" => Some("_gw_any"),
                    "all" => Some("_gw_all"),
                    "filter" => Some("_gw_filter"),
                    "next" => Some("_gw_next"),
                    "len" => Some("_gw_len"),
                    _ => None,
                };
                match own {
                    Some(own) => {
                        self.helpers.insert(own);
                        self.replace(name.start().to_usize(), name.end().to_usize(), own);
                    }
                    None => self.visit_expr(&call.func),
                }
                force = !matches!(name.id.as_str(), "bool" | "len") && (own.is_some() || builtins::iterates(&name.id));
                if matches!(name.id.as_str(), "getattr" | "hasattr" | "setattr" | "vars" | "dir" | "globals" | "locals")
                {
                    let literal = call.arguments.args.get(1).is_some_and(Expr::is_string_literal_expr);
                    self.computed |= !literal;
                }
                // The two functions that know of the context take it along.
                if let "ak_call_policy" | "ak_create_event" = name.id.as_str() {
                    self.computed = true;
                }
            }
            func => {
                if let Expr::Attribute(method) = func {
                    force = builtins::method_iterates(&method.attr);
                }
                self.visit_expr(func);
            }
        }
        for argument in &call.arguments.args {
            if force && !argument.is_starred_expr() { self.rows(argument) } else { self.visit_expr(argument) }
        }
        for keyword in &call.arguments.keywords {
            if let Some(name) = &keyword.arg {
                self.names.insert(name.to_string());
            }
            self.visit_expr(&keyword.value);
        }
    }

    fn delete(&mut self, target: &'a Expr) {
        match target {
            Expr::Subscript(item) => {
                let (start, end) = (item.start().to_usize(), item.end().to_usize());
                let Some(bracket) = self.mark(TokenKind::Lsqb, item.value.end().to_usize(), end) else { return };
                self.helpers.insert("_gw_del");
                if item.slice.is_slice_expr() {
                    self.refuse(item.range(), "del of a slice", "assign a new list");
                    return;
                }
                self.insert(start, "_gw_del(");
                self.visit_expr(&item.value);
                self.replace(bracket, bracket + 1, ", ");
                self.visit_expr(&item.slice);
                self.replace(end - 1, end, ")");
            }
            Expr::Tuple(items) => items.elts.iter().for_each(|item| self.delete(item)),
            Expr::List(items) => items.elts.iter().for_each(|item| self.delete(item)),
            Expr::Name(name) => self.refuse(name.range(), "del of a name", "assign `None` to it"),
            other => self.refuse(other.range(), "del of an attribute", "assign `None` to it"),
        }
    }

    fn import(&mut self, range: TextRange, names: Vec<(String, String)>) {
        // The new text has as many lines as the old one.
        let breaks = self.text[range.start().to_usize()..range.end().to_usize()].matches('\n').count();
        let mut text = String::new();
        for (at, (name, value)) in names.iter().enumerate() {
            let alias = format!("_gw_i{}", self.imports.len());
            let last = at + 1 == names.len();
            text.push_str(&format!("{name} = ({alias}{})", "\n".repeat(if last { breaks } else { 0 })));
            text.push_str(if last { "" } else { "; " });
            self.imports.push((alias, value.clone()));
            self.bound.insert(name.clone());
        }
        self.replace(range.start().to_usize(), range.end().to_usize(), &text);
    }

    fn class(&mut self, class: &'a ast::StmtClassDef) {
        if let Some(arguments) = &class.arguments
            && (!arguments.args.is_empty() || !arguments.keywords.is_empty())
        {
            self.refuse(arguments.range(), "class with bases", "write a class without bases, or plain functions");
        }
        for statement in &class.body {
            if let Stmt::FunctionDef(method) = statement
                && method.name.starts_with("__")
                && !builtins::DISPATCHED.contains(&method.name.as_str())
            {
                let construct = method.name.to_string();
                self.refuse(method.name.range(), &construct, "the sandbox would not call it; write a plain method");
            }
        }
    }
}

impl<'a> Visitor<'a> for Writer<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let range = statement.range();
        match statement {
            Stmt::If(choice) => {
                self.test(&choice.test);
                choice.body.iter().for_each(|statement| self.visit_stmt(statement));
                for clause in &choice.elif_else_clauses {
                    if let Some(test) = &clause.test {
                        self.test(test);
                    }
                    clause.body.iter().for_each(|statement| self.visit_stmt(statement));
                }
            }
            Stmt::While(repeat) => {
                self.test(&repeat.test);
                repeat.body.iter().chain(&repeat.orelse).for_each(|statement| self.visit_stmt(statement));
            }
            Stmt::For(each) => {
                if each.is_async {
                    self.refuse(range, "async for", "calls of the host wait by themselves");
                }
                self.visit_expr(&each.target);
                self.rows(&each.iter);
                each.body.iter().chain(&each.orelse).for_each(|statement| self.visit_stmt(statement));
            }
            Stmt::Assert(check) => {
                self.test(&check.test);
                if let Some(message) = &check.msg {
                    self.visit_expr(message);
                }
            }
            Stmt::Assign(assign) => {
                assign.targets.iter().for_each(|target| self.visit_expr(target));
                let unpacks = assign.targets.iter().any(|target| target.is_tuple_expr() || target.is_list_expr());
                if unpacks { self.rows(&assign.value) } else { self.visit_expr(&assign.value) }
            }
            Stmt::Delete(delete) => {
                let start = range.start().to_usize();
                // The keyword goes; parentheses around the targets may follow it at once.
                self.replace(start, start + "del".len(), "");
                let space = self.text[start + 3..].len() - self.text[start + 3..].trim_start_matches([' ', '\t']).len();
                self.replace(start + 3, start + 3 + space, "");
                delete.targets.iter().for_each(|target| self.delete(target));
            }
            Stmt::Import(import) => {
                let mut known = Vec::new();
                for alias in &import.names {
                    if let Some(name) = &alias.asname {
                        self.reserved(name.as_str(), name.range());
                    }
                    match prelude::module(&alias.name) {
                        prelude::Import::Native => {
                            let bound = alias.asname.as_ref().map_or_else(|| alias.name.as_str(), |name| name.as_str());
                            self.bound.insert(bound.split('.').next().unwrap_or_default().to_owned());
                        }
                        prelude::Import::Prelude(symbol) => match (&alias.asname, alias.name.split_once('.')) {
                            (Some(name), _) => known.push((name.to_string(), symbol)),
                            (None, None) => known.push((alias.name.to_string(), symbol)),
                            // `import a.b` binds `a`.
                            (None, Some((first, _))) => match prelude::module(first) {
                                prelude::Import::Prelude(symbol) => known.push((first.to_owned(), symbol)),
                                _ => self.unknown_module(alias.range(), &alias.name),
                            },
                        },
                        prelude::Import::Unknown => self.unknown_module(alias.range(), &alias.name),
                    }
                }
                if known.len() == import.names.len() {
                    self.import(range, known);
                } else if !known.is_empty() {
                    self.refuse(range, "import of several modules", "give each its own line");
                }
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                if import.level > 0 {
                    self.refuse(range, "relative import", "");
                    return;
                }
                let mut known = Vec::new();
                for alias in &import.names {
                    let bound = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.reserved(bound.as_str(), bound.range());
                    match prelude::member(module, &alias.name) {
                        prelude::Import::Native if alias.name.as_str() != "*" => {
                            self.bound.insert(bound.to_string());
                        }
                        prelude::Import::Prelude(symbol) => known.push((bound.to_string(), symbol)),
                        _ if prelude::knows(module) => {
                            let construct = format!("import of {} from {module}", alias.name);
                            self.refuse(alias.range(), &construct, "");
                        }
                        _ => self.unknown_module(range, module),
                    }
                }
                if !known.is_empty() {
                    self.import(range, known);
                }
            }
            Stmt::FunctionDef(function) => {
                self.bind(&function.name);
                if function.is_async {
                    self.refuse(range, "async def", "calls of the host wait by themselves");
                }
                for parameter in &function.parameters {
                    self.bind(parameter.name());
                }
                self.functions += 1;
                walk_stmt(self, statement);
                self.functions -= 1;
            }
            Stmt::ClassDef(class) => {
                self.bind(&class.name);
                self.class(class);
                self.functions += 1;
                walk_stmt(self, statement);
                self.functions -= 1;
            }
            Stmt::With(with) => {
                if with.is_async {
                    self.refuse(range, "async with", "calls of the host wait by themselves");
                }
                walk_stmt(self, statement);
            }
            Stmt::Match(_) => self.refuse(range, "match", "write it as `if` and `elif`"),
            Stmt::TypeAlias(_) => self.refuse(range, "type", ""),
            Stmt::Try(attempt) => {
                if attempt.is_star {
                    self.refuse(range, "except*", "write `except`");
                }
                for handler in &attempt.handlers {
                    let ast::ExceptHandler::ExceptHandler(handler) = handler;
                    if let Some(name) = &handler.name {
                        self.bind(name);
                    }
                }
                walk_stmt(self, statement);
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_comprehension(&mut self, comprehension: &'a ast::Comprehension) {
        if comprehension.is_async {
            self.refuse(comprehension.range, "async for", "calls of the host wait by themselves");
            walk_comprehension(self, comprehension);
            return;
        }
        self.visit_expr(&comprehension.target);
        self.rows(&comprehension.iter);
        comprehension.ifs.iter().for_each(|test| self.test(test));
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        self.depth += 1;
        if self.depth > DEPTH {
            if !self.faults.iter().any(|fault| fault.construct == "nesting") {
                let message = format!("the expression nests deeper than {DEPTH} levels");
                let fault = self.places.fault(expr.range(), "nesting", message, Some("split it into steps".to_owned()));
                self.faults.push(fault);
            }
            self.depth -= 1;
            return;
        }
        self.expr(expr);
        self.depth -= 1;
    }
}

impl<'a> Writer<'a> {
    fn unknown_module(&mut self, range: TextRange, name: &str) {
        let construct = format!("import of {name}");
        self.refuse(range, &construct, "expressions have no access to the server's modules; see the list in the guide");
    }

    fn expr(&mut self, expr: &'a Expr) {
        let (start, end) = (expr.start().to_usize(), expr.end().to_usize());
        match expr {
            Expr::Name(name) => {
                self.reserved(&name.id, name.range());
                self.names.insert(name.id.to_string());
                match name.ctx {
                    ExprContext::Store | ExprContext::Del => {
                        self.bound.insert(name.id.to_string());
                    }
                    _ => {
                        self.read.entry(name.id.to_string()).or_insert(name.range());
                    }
                }
            }
            Expr::Attribute(attribute) => {
                self.names.insert(attribute.attr.to_string());
                if attribute.attr.as_str() == "__dict__" {
                    self.computed = true;
                }
                self.visit_expr(&attribute.value);
            }
            Expr::StringLiteral(literal) => {
                let text = literal.value.to_str();
                // `"{user.name}".format(...)` asks for attributes by the text.
                self.computed |= text.contains('{') && text.contains('.');
                self.names.insert(text.chars().take(64).collect());
            }
            Expr::BoolOp(both) => {
                let Some((last, rest)) = both.values.split_last() else { return };
                rest.iter().for_each(|value| self.test(value));
                self.visit_expr(last);
            }
            Expr::UnaryOp(not) if not.op == UnaryOp::Not => self.test(&not.operand),
            Expr::If(choice) => {
                self.visit_expr(&choice.body);
                self.test(&choice.test);
                self.visit_expr(&choice.orelse);
            }
            Expr::Compare(compare) => {
                self.visit_expr(&compare.left);
                for (op, right) in compare.ops.iter().zip(&compare.comparators) {
                    if matches!(op, CmpOp::In | CmpOp::NotIn) { self.rows(right) } else { self.visit_expr(right) }
                }
            }
            Expr::BinOp(operation) if operation.op == Operator::Mod && !operation.left.is_number_literal_expr() => {
                let (from, to) = (operation.left.end().to_usize(), operation.right.start().to_usize());
                let Some(percent) = self.mark(TokenKind::Percent, from, to) else { return walk_expr(self, expr) };
                self.wrap(expr.range(), "_gw_mod", |writer| {
                    writer.visit_expr(&operation.left);
                    writer.replace(percent, percent + 1, ",");
                    writer.visit_expr(&operation.right);
                });
            }
            Expr::Yield(one) => {
                if self.functions > 0 {
                    return self.refuse(expr.range(), "yield in a function", "collect the values in a list");
                }
                self.yields = true;
                match &one.value {
                    None => self.replace(start, end, "_gw_y.append(None)"),
                    Some(value) => {
                        self.replace(start, start + "yield".len(), "_gw_y.append((");
                        self.visit_expr(value);
                        self.insert(end, "))");
                    }
                }
            }
            Expr::YieldFrom(many) => {
                if self.functions > 0 {
                    return self.refuse(expr.range(), "yield in a function", "collect the values in a list");
                }
                self.yields = true;
                self.helpers.insert("_gw_f");
                let from = self.text[start..many.value.start().to_usize()].find("from").unwrap_or_default();
                self.replace(start, start + from + "from".len(), "_gw_y.extend(_gw_f(");
                self.visit_expr(&many.value);
                self.insert(end, "))");
            }
            Expr::Await(_) => self.refuse(expr.range(), "await", "calls of the host wait by themselves"),
            Expr::TString(_) => self.refuse(expr.range(), "template string", "write an f-string"),
            Expr::Starred(starred) if starred.ctx == ExprContext::Load => self.rows(&starred.value),
            Expr::Subscript(item) => {
                let key = matches!(item.slice.as_ref(), Expr::StringLiteral(_) | Expr::FString(_));
                if key || item.ctx != ExprContext::Load {
                    self.visit_expr(&item.value);
                } else {
                    self.rows(&item.value);
                }
                self.visit_expr(&item.slice);
            }
            Expr::Call(call) => self.call(call),
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    for parameter in parameters.iter() {
                        self.bind(parameter.name());
                    }
                }
                self.functions += 1;
                walk_expr(self, expr);
                self.functions -= 1;
            }
            _ => walk_expr(self, expr),
        }
    }
}
