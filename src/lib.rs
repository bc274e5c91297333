//! `mailplumb` keeps an organisation's mail plumbing true to what is written in git. **This page is the map.**
//!
//! # One idea at two scales: observe, decide, act, record
//!
//! ```text
//!   YAML ──manifest──► Desired ─┐
//!                               ├─ plan() ─► Plan ──render──► person / pipeline
//!   store ───────────► Stored ──┘             │
//!                                             ▼
//!                          apply: one revision, atomically → test and enable each mailbox
//!
//!   per mailbox and operation, the same shape one size down:
//!   server listing ─┐
//!   cursor ─────────┼─ decide ─► actions ─ act ─► record + cursor, one transaction
//!   records ────────┘
//! ```
//!
//! Deciding is pure; the rest is dull.
//!
//! # Rooms
//!
//! | room | what it is | may use |
//! |---|---|---|
//! | [`model`] | the nouns; whatever is stored, or passed between rooms | – |
//! | [`manifest`] | YAML text → [`model::desired::Desired`], or problems with their places | `model` |
//! | [`plan`] | (Desired, Stored, Policy) → Plan; guards, fingerprint, renderers | `model` |
//! | [`sync`] | what one message, one failure, one due time needs; total functions | `model` |
//! | [`protocol`] | conversations without sockets: POP3, IMAP, SMTP, SASL, HTTP, Exchange Web Services | `model` |
//! | [`secrets`] | age identities and ciphertexts | `model` |
//! | [`store`] | trait Store; SQLite; blobs; migrations in `schema/sql` | `model` |
//! | [`source`] | where manifests come from, and what changed | `model` |
//! | [`net`] | the only sockets of the product; drives a conversation over TCP or TLS | `model`, `protocol` |
//! | [`remote`] | a mail server as the engine sees it; one connector per protocol | `model`, `protocol`, `net` |
//! | [`engine`] | straight-line orchestration; the only clock | `model`, `manifest`, `plan`, `sync`, and the doors of `secrets`, `store`, `remote`, `source` |
//! | `playground` | loopback mail servers for the demo and the tests (feature `demo`) | `model` and codec crates |
//! | [`cli`] | the only room that talks to a person; the only place that names stores and connectors | anything |
//!
//! A *door* is the `mod.rs` of a room: its traits and nouns, never `store::sqlite` or `remote::imap`. The table is enforced
//! by `tests/tidy.rs`. `model`, `manifest`, `plan`, `sync` and `protocol` are pure: no I/O, no clock, no async, no environment,
//! no randomness.
//!
//! # Invariants
//!
//! 1. Nonces, times and random numbers are arguments of the pure rooms.
//! 2. `plan` and `manifest` do not know each other; they meet in [`model::desired::Desired`].
//! 3. `engine` does not know which protocols or databases exist.
//! 4. A secret's value never enters a `Desired`, a `Plan`, the store or a log. [`model::secret::Secret`] cannot be printed.
//! 5. One file reads the time (`engine/clock.rs`); only `cli` prints; only `main` exits.
//! 6. Nothing is removed from a server before its record is durable, nor because of a listing that was incomplete.
//! 7. A message whose sending may have succeeded is `unsure`, and is never sent again silently.
//!
//! # Where a change goes
//!
//! | I want to … | touch |
//! |---|---|
//! | add a YAML field | its mirror and resolution in `manifest/`, the noun in `model/`, one valid and one invalid case |
//! | add a safety rule | one guard in `plan/guards.rs`, one case |
//! | add an acceptance filter | one arm in `sync/incoming.rs`, its noun, one case |
//! | speak a new protocol | `protocol/<name>`, `remote/<name>.rs`, one arm in `remote/connectors.rs`; the conformance suite runs on it |
//! | add a store | `store/<name>.rs`, `schema/sql/<name>/`; the store suite runs on it |
//! | add a command | `cli/<command>.rs`, one arm in `cli/mod.rs`, one case |
//! | change what a failure means | `sync/classify.rs` |
//!
//! # Glossary
//!
//! *Desired*: what the manifest asks for. *Layer*: one of several directories that together make a manifest; later ones win. *Stored*: what earlier applies stored. *Plan*: the steps between them, a value.
//! *Revision*: the number of an apply. *Operation*: incoming, outgoing, or appointments-contacts-tasks of one mailbox. *Test and
//! enable*: named steps with a real server; only a passed test enables. *Declared* and *effective* version: what the last apply
//! stored, and what an operation works with; they differ while a change is *pending*, until its test has passed. *Cursor*: how far a mailbox has been read. *Record*:
//! what sync produces. *Quarantine*: kept raw, not understood. *Lease*: who works on what, until when, with a fence.
//! *Destination*: one mailbox as a connector has to reach it.

pub mod cli;
pub mod engine;
pub mod manifest;
pub mod model;
pub mod net;
pub mod plan;
#[cfg(feature = "demo")]
pub mod playground;
pub mod protocol;
pub mod remote;
pub mod secrets;
pub mod source;
pub mod store;
pub mod sync;
