//! A program that was built without Kerberos.

use super::{Holder, Purpose};
use crate::model::failure::Cause;

/// Without the feature no login exists.
pub enum Context {}

impl Context {
    pub fn new(
        _purpose: Purpose,
        _service: &str,
        _holder: &Holder,
        _binding: Option<Vec<u8>>,
    ) -> Result<Self, Cause> {
        Err(Cause::Unsupported { setting: "Kerberos (this program was built without it)".to_owned() })
    }

    pub fn step(&mut self, _received: Option<&[u8]>) -> Result<Option<Vec<u8>>, Cause> {
        match *self {}
    }

    pub fn is_complete(&self) -> bool {
        match *self {}
    }

    pub fn unwrap(&mut self, _message: &[u8]) -> Result<Vec<u8>, Cause> {
        match *self {}
    }

    pub fn wrap(&mut self, _message: &[u8]) -> Result<Vec<u8>, Cause> {
        match *self {}
    }
}
