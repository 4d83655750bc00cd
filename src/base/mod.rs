//! Ground floor: words without a domain. Nothing here knows kinds, stores or blueprints.

pub mod clock;
pub mod diagnostic;
pub mod duration;
pub mod egress;
pub mod hash;
pub mod saml;
pub mod text;
pub mod timestamp;
