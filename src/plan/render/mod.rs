//! A plan for people and programs: text, Markdown for a change request, JSON.
//!
//! All three come from one walk over the plan, so that they cannot tell different stories. What came from a manifest
//! or a server is cleaned of control characters where a person reads it.

mod defaults;
mod group;
mod json;
mod line;
mod markdown;
mod obstacle;
mod text;
mod words;

pub use group::Summary;
pub use json::{json, schema};
pub use line::Detail;
pub use markdown::{markdown, markdown_in};
pub use obstacle::causes;
pub use text::{Style, text, text_in};
pub use words::loss;
