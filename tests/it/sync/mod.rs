//! What is decided, held against what is written about it.

mod states;
