//! One Kerberos login: whose tickets, and the tokens in their order.

use std::ffi::CString;
use std::ptr;

use super::library::{
    Bindings, Buffer, CONTINUE_NEEDED, Handle, KERBEROS, Major, Name, ObjectId, ObjectIds, PRINCIPAL_NAME,
    Pair, Pairs, SERVICE_NAME, checked, empty, function, lent, object_id, release, taken,
};
use super::{Holder, Purpose, keytab};
use crate::model::failure::{Cause, KerberosFault};
use crate::model::host::TicketSource;
use crate::model::limits;
use crate::model::secret::Secret;

const MUTUAL: u32 = 2;
const INTEGRITY: u32 = 32;
const INITIATE: i32 = 1;

/// Whose tickets are used; null: those of the process.
struct Credential(Handle);

impl Credential {
    fn of(holder: &Holder) -> Result<Self, Cause> {
        match holder {
            Holder::Password { principal, password } => Self::with_password(principal, password),
            Holder::Host(TicketSource::Default) => Ok(Self(ptr::null_mut())),
            Holder::Host(TicketSource::Cache(cache)) => Self::acquire(None, &[("ccache", cache)]),
            Holder::Host(TicketSource::Keytab { principal, keytab }) => {
                let name = Name::import(principal, PRINCIPAL_NAME)?;
                // The library would only say that there is no credential.
                if let Some(detail) = keytab::trouble(keytab, principal) {
                    return Err(Cause::KerberosFailed { fault: KerberosFault::Misconfigured, detail });
                }
                let keytab = keytab.display().to_string();
                // One cache for an identity, in memory: tickets are shared, and the disk never sees them.
                let cache = format!("MEMORY:mailplumb {principal} {keytab}");
                Self::acquire(Some(&name), &[("client_keytab", &keytab), ("ccache", &cache)])
            }
        }
    }

    fn with_password(principal: &str, password: &Secret<String>) -> Result<Self, Cause> {
        type Acquire = unsafe extern "C" fn(
            *mut u32,
            Handle,
            *const Buffer,
            u32,
            *const ObjectIds,
            i32,
            *mut Handle,
            *mut *mut ObjectIds,
            *mut u32,
        ) -> Major;
        let acquire = function::<Acquire>(b"gss_acquire_cred_with_password\0")?;
        let name = Name::import(principal, PRINCIPAL_NAME)?;
        let password = lent(password.expose().as_bytes());
        let mechanism = object_id(KERBEROS);
        let mechanisms = ObjectIds { count: 1, elements: &raw const mechanism };
        let (mut minor, mut credential) = (0, ptr::null_mut());
        // SAFETY: all pointers are to values that outlive the call; what is not wanted back may be null.
        let major = unsafe {
            acquire(
                &raw mut minor,
                name.0,
                &raw const password,
                0,
                &raw const mechanisms,
                INITIATE,
                &raw mut credential,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        checked(major, minor)?;
        Ok(Self(credential))
    }

    fn acquire(name: Option<&Name>, store: &[(&str, &str)]) -> Result<Self, Cause> {
        type Acquire = unsafe extern "C" fn(
            *mut u32,
            Handle,
            u32,
            *const ObjectIds,
            i32,
            *const Pairs,
            *mut Handle,
            *mut *mut ObjectIds,
            *mut u32,
        ) -> Major;
        let acquire = function::<Acquire>(b"gss_acquire_cred_from\0")?;
        let texts = store.iter().map(|(key, value)| Ok((CString::new(*key)?, CString::new(*value)?)));
        let texts: Vec<(CString, CString)> =
            texts.collect::<Result<_, std::ffi::NulError>>().map_err(|error| Cause::KerberosFailed {
                fault: KerberosFault::Misconfigured,
                detail: error.to_string(),
            })?;
        let pairs: Vec<Pair> =
            texts.iter().map(|(key, value)| Pair { key: key.as_ptr(), value: value.as_ptr() }).collect();
        let pairs = Pairs { count: u32::try_from(pairs.len()).unwrap_or(0), elements: pairs.as_ptr() };
        let mechanism = object_id(KERBEROS);
        let mechanisms = ObjectIds { count: 1, elements: &raw const mechanism };
        let (mut minor, mut credential) = (0, ptr::null_mut());
        // SAFETY: all pointers are to values that outlive the call; what is not wanted back may be null.
        let major = unsafe {
            acquire(
                &raw mut minor,
                name.map_or(ptr::null_mut(), |name| name.0),
                0,
                &raw const mechanisms,
                INITIATE,
                &raw const pairs,
                &raw mut credential,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        checked(major, minor)?;
        Ok(Self(credential))
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        release(b"gss_release_cred\0", &mut self.0);
    }
}

/// One login.
pub struct Context {
    purpose: Purpose,
    service: Name,
    credential: Credential,
    /// The whole text of the binding: its type and its hash.
    binding: Option<Vec<u8>>,
    handle: Handle,
    is_complete: bool,
}

// SAFETY: the handles are not tied to a thread, and one owner uses them at a time.
unsafe impl Send for Context {}

impl Context {
    pub fn new(
        purpose: Purpose,
        service: &str,
        holder: &Holder,
        binding: Option<Vec<u8>>,
    ) -> Result<Self, Cause> {
        let service = Name::import(&service.replacen('/', "@", 1), SERVICE_NAME)?;
        let credential = Credential::of(holder)?;
        let binding = binding.map(|hash| [b"tls-server-end-point:", &hash[..]].concat());
        Ok(Self { purpose, service, credential, binding, handle: ptr::null_mut(), is_complete: false })
    }

    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub fn step(&mut self, received: Option<&[u8]>) -> Result<Option<Vec<u8>>, Cause> {
        type Initiate = unsafe extern "C" fn(
            *mut u32,
            Handle,
            *mut Handle,
            Handle,
            *const ObjectId,
            u32,
            u32,
            *const Bindings,
            *const Buffer,
            *mut *mut ObjectId,
            *mut Buffer,
            *mut u32,
            *mut u32,
        ) -> Major;
        let initiate = function::<Initiate>(b"gss_init_sec_context\0")?;
        if received.is_some_and(|token| token.len() > limits::LOGIN_TOKEN_BYTES_MAX) {
            let limit = limits::LOGIN_TOKEN_BYTES_MAX as u64;
            return Err(Cause::LimitExceeded { what: "the server's Kerberos token".to_owned(), limit });
        }
        let kind = object_id(KERBEROS);
        let asked = match self.purpose {
            Purpose::Http => 0,
            Purpose::Sasl => MUTUAL | INTEGRITY,
        };
        let bindings = self.binding.as_ref().map(|text| Bindings {
            initiator_kind: 0,
            initiator: empty(),
            acceptor_kind: 0,
            acceptor: empty(),
            application: lent(text),
        });
        let received = lent(received.unwrap_or_default());
        let (mut minor, mut token) = (0, empty());
        // SAFETY: all pointers are to values that outlive the call, or null where the function allows it.
        let major = unsafe {
            initiate(
                &raw mut minor,
                self.credential.0,
                &raw mut self.handle,
                self.service.0,
                &raw const kind,
                asked,
                0,
                bindings.as_ref().map_or(ptr::null(), ptr::from_ref),
                &raw const received,
                ptr::null_mut(),
                &raw mut token,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let token = taken(token)?;
        checked(major, minor)?;
        self.is_complete = major & CONTINUE_NEEDED == 0;
        Ok((!token.is_empty()).then_some(token))
    }

    pub fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Cause> {
        type Unwrap =
            unsafe extern "C" fn(*mut u32, Handle, *const Buffer, *mut Buffer, *mut i32, *mut u32) -> Major;
        let unwrap = function::<Unwrap>(b"gss_unwrap\0")?;
        let message = lent(message);
        let (mut minor, mut plain) = (0, empty());
        // SAFETY: the context is established, the pointers are to values that outlive the call.
        let major = unsafe {
            unwrap(
                &raw mut minor,
                self.handle,
                &raw const message,
                &raw mut plain,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let plain = taken(plain)?;
        checked(major, minor)?;
        Ok(plain)
    }

    pub fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Cause> {
        type Wrap =
            unsafe extern "C" fn(*mut u32, Handle, i32, u32, *const Buffer, *mut i32, *mut Buffer) -> Major;
        let wrap = function::<Wrap>(b"gss_wrap\0")?;
        let message = lent(message);
        let (mut minor, mut wrapped) = (0, empty());
        // SAFETY: as above.
        let major = unsafe {
            wrap(&raw mut minor, self.handle, 0, 0, &raw const message, ptr::null_mut(), &raw mut wrapped)
        };
        let wrapped = taken(wrapped)?;
        checked(major, minor)?;
        Ok(wrapped)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        type Delete = unsafe extern "C" fn(*mut u32, *mut Handle, *mut Buffer) -> Major;
        if self.handle.is_null() {
            return;
        }
        if let Ok(delete) = function::<Delete>(b"gss_delete_sec_context\0") {
            let mut minor = 0;
            // SAFETY: the handle came from the library; no token is wanted.
            unsafe { delete(&raw mut minor, &raw mut self.handle, ptr::null_mut()) };
        }
    }
}
