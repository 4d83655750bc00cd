//! stub
#![allow(missing_docs)]
use crate::base::diagnostic::Span;
use std::sync::Arc;
#[derive(Debug)]
pub struct Node {
    pub span: Span,
    pub tag: Option<Tag>,
    pub data: Data,
}
#[derive(Debug, Clone)]
pub struct Tag {
    pub name: String,
    pub span: Span,
}
#[derive(Debug)]
pub enum Data {
    Scalar(Scalar),
    Sequence(Vec<Arc<Node>>),
    Mapping(Vec<(Arc<Node>, Arc<Node>)>),
}
#[derive(Debug)]
pub struct Scalar {
    pub text: Arc<str>,
    pub style: Style,
    pub value: Value,
}
#[derive(Debug, PartialEq, Clone, Copy)]
pub enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}
#[derive(Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    BigInt(String),
    Float(f64),
    Text,
    Date(String),
    DateTime(String),
    Binary(Vec<u8>),
}
impl Node {
    pub fn get(&self, _k: &str) -> Option<&Arc<Node>> {
        None
    }
    pub fn pair(&self, _k: &str) -> Option<(&Arc<Node>, &Arc<Node>)> {
        None
    }
    pub fn kind_name(&self) -> &'static str {
        ""
    }
    pub fn at(&self, _p: &str) -> &Node {
        self
    }
    pub fn is_null(&self) -> bool {
        false
    }
}
pub fn trap(_s: &Scalar) -> Option<&'static str> {
    None
}
#[derive(Default)]
pub struct Limits;
pub fn parse(
    _f: crate::base::diagnostic::FileId,
    _t: &str,
    _l: &Limits,
    _d: &mut Vec<crate::base::diagnostic::Diagnostic>,
) -> Option<Arc<Node>> {
    None
}
