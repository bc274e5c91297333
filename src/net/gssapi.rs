//! Kerberos, through the system's GSSAPI library (RFC 2743, RFC 2744), which is loaded when the first login needs it. No
//! headers and no linking, so that one binary runs with and without it.
//!
//! The library waits for the KDC, so the first token is made on a thread of its own. This is the one file that may hold `unsafe`.

use crate::model::failure::Cause;
use crate::model::host::TicketSource;
use crate::model::secret::Secret;
use crate::protocol::sasl::Ticket;

/// Whose ticket is used.
pub enum Holder {
    /// The host's own.
    Host(TicketSource),
    /// A principal whose password is known.
    Password { principal: String, password: Secret<String> },
}

/// What the ticket is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// HTTP `Negotiate`: one token, and the server's certificate says who it is.
    Http,
    /// SASL `GSSAPI` (RFC 4752): the server proves itself too, and both agree on not protecting what follows.
    Sasl,
}

/// The client's half of a login.
pub struct Initiator(imp::Context);

impl Initiator {
    /// The first token for `service` (`HTTP/mail.contoso.example`). `binding` is the hash that ties the login to a TLS
    /// connection.
    pub async fn begin(
        purpose: Purpose,
        service: &str,
        holder: Holder,
        binding: Option<&[u8]>,
    ) -> Result<(Self, Vec<u8>), Cause> {
        let (service, binding) = (service.to_owned(), binding.map(<[u8]>::to_vec));
        blocking(move || {
            let mut context = imp::Context::new(purpose, &service, &holder, binding)?;
            let token = context.step(None)?.unwrap_or_default();
            Ok((Self(context), token))
        })
        .await
    }
}

/// What follows the first token asks nobody, so it needs no thread.
impl Ticket for Initiator {
    fn respond(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
        self.0.step(Some(token))
    }

    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    fn unprotect(&mut self, message: &[u8]) -> Result<Vec<u8>, Cause> {
        self.0.unwrap(message)
    }

    fn protect(&mut self, message: &[u8]) -> Result<Vec<u8>, Cause> {
        self.0.wrap(message)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Cause> + Send + 'static,
) -> Result<T, Cause> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Cause::Internal { detail: error.to_string() })?
}

#[cfg(not(feature = "kerberos"))]
mod imp {
    use super::{Cause, Holder, Purpose};

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
}

#[cfg(feature = "kerberos")]
#[expect(unsafe_code, reason = "the library is a C library")]
mod imp {
    use std::ffi::{CString, c_char, c_void};
    use std::ptr;
    use std::sync::OnceLock;

    use libloading::{Library, Symbol};

    use super::{Cause, Holder, Purpose, Secret, TicketSource};
    use crate::model::failure::{KerberosFault, server_words};
    use crate::model::limits;
    use crate::net::address::io_words;

    type Major = u32;
    type Handle = *mut c_void;

    /// `gss_OID_desc`
    #[repr(C)]
    struct ObjectId {
        length: u32,
        elements: *const u8,
    }

    /// `gss_buffer_desc`
    #[repr(C)]
    struct Buffer {
        length: usize,
        value: *mut c_void,
    }

    /// `gss_channel_bindings_struct`
    #[repr(C)]
    struct Bindings {
        initiator_kind: u32,
        initiator: Buffer,
        acceptor_kind: u32,
        acceptor: Buffer,
        application: Buffer,
    }

    /// `gss_OID_set_desc`
    #[repr(C)]
    struct ObjectIds {
        count: usize,
        elements: *const ObjectId,
    }

    /// `gss_key_value_element_desc`
    #[repr(C)]
    struct Pair {
        key: *const c_char,
        value: *const c_char,
    }

    /// `gss_key_value_set_desc`
    #[repr(C)]
    struct Pairs {
        count: u32,
        elements: *const Pair,
    }

    const KERBEROS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];
    /// `GSS_C_NT_HOSTBASED_SERVICE`
    const SERVICE_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x01, 0x04];
    /// `GSS_KRB5_NT_PRINCIPAL_NAME`
    const PRINCIPAL_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02, 0x01];

    const COMPLETE: Major = 0;
    const CONTINUE_NEEDED: Major = 1;
    /// Calling and routine errors; the rest tells about the progress.
    const ERRORS: Major = 0xffff_0000;
    const MUTUAL: u32 = 2;
    const INTEGRITY: u32 = 32;
    const INITIATE: i32 = 1;
    const OF_GSSAPI: i32 = 1;
    const OF_MECHANISM: i32 = 2;

    /// In the order in which they are tried: MIT's, Heimdal's, macOS's.
    const LIBRARIES: [&str; 5] = [
        "libgssapi_krb5.so.2",
        "libgssapi_krb5.so",
        "libgssapi.so.3",
        "/System/Library/Frameworks/GSS.framework/GSS",
        "libgssapi_krb5.dylib",
    ];

    /// The library; it stays loaded.
    fn library() -> Result<&'static Library, Cause> {
        static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
        let loaded = LIBRARY.get_or_init(|| {
            // SAFETY: the initializers of these libraries have no preconditions.
            LIBRARIES.iter().find_map(|name| unsafe { Library::new(name) }.ok())
        });
        loaded.as_ref().ok_or_else(|| Cause::KerberosFailed {
            fault: KerberosFault::NotInstalled,
            detail: "the system has no GSSAPI library".to_owned(),
        })
    }

    fn function<T>(name: &'static [u8]) -> Result<Symbol<'static, T>, Cause> {
        // SAFETY: every caller names the type that RFC 2744 (or MIT's gssapi_ext.h) gives the function.
        unsafe { library()?.get(name) }.map_err(|error| Cause::KerberosFailed {
            fault: KerberosFault::NotInstalled,
            detail: server_words(&error.to_string()),
        })
    }

    fn object_id(bytes: &'static [u8]) -> ObjectId {
        ObjectId { length: u32::try_from(bytes.len()).unwrap_or(0), elements: bytes.as_ptr() }
    }

    /// A buffer that the library only reads.
    fn lent(bytes: &[u8]) -> Buffer {
        Buffer { length: bytes.len(), value: bytes.as_ptr().cast_mut().cast() }
    }

    fn empty() -> Buffer {
        Buffer { length: 0, value: ptr::null_mut() }
    }

    /// Copies what the library has filled, and gives its memory back.
    fn taken(mut buffer: Buffer) -> Result<Vec<u8>, Cause> {
        let release =
            function::<unsafe extern "C" fn(*mut u32, *mut Buffer) -> Major>(b"gss_release_buffer\0")?;
        let bytes = if buffer.value.is_null() {
            Vec::new()
        } else {
            // SAFETY: the library says that so many bytes stand there.
            unsafe { std::slice::from_raw_parts(buffer.value.cast::<u8>(), buffer.length) }.to_vec()
        };
        let mut minor = 0;
        // SAFETY: the buffer is the library's, and is not used after this.
        unsafe { release(&raw mut minor, &raw mut buffer) };
        Ok(bytes)
    }

    /// What the library calls a name.
    struct Name(Handle);

    impl Name {
        fn import(text: &str, kind: &'static [u8]) -> Result<Self, Cause> {
            type Import =
                unsafe extern "C" fn(*mut u32, *const Buffer, *const ObjectId, *mut Handle) -> Major;
            let import = function::<Import>(b"gss_import_name\0")?;
            let (text, kind) = (lent(text.as_bytes()), object_id(kind));
            let (mut minor, mut name) = (0, ptr::null_mut());
            // SAFETY: all pointers are to values that outlive the call.
            let major = unsafe { import(&raw mut minor, &raw const text, &raw const kind, &raw mut name) };
            checked(major, minor)?;
            Ok(Self(name))
        }
    }

    impl Drop for Name {
        fn drop(&mut self) {
            release(b"gss_release_name\0", &mut self.0);
        }
    }

    /// Gives back a handle: names and credentials.
    fn release(name: &'static [u8], handle: &mut Handle) {
        let release = function::<unsafe extern "C" fn(*mut u32, *mut Handle) -> Major>(name);
        if let Ok(release) = release
            && !handle.is_null()
        {
            let mut minor = 0;
            // SAFETY: the handle came from the library, and is null afterwards.
            unsafe { release(&raw mut minor, handle) };
        }
    }

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
                    let keytab = keytab.display().to_string();
                    // The library would only say that there is no credential.
                    std::fs::File::open(&keytab).map_err(|error| Cause::KerberosFailed {
                        fault: KerberosFault::Misconfigured,
                        detail: format!("{keytab}: {}", io_words(&error)),
                    })?;
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
            self.is_complete = major & CONTINUE_NEEDED == COMPLETE;
            Ok((!token.is_empty()).then_some(token))
        }

        pub fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Cause> {
            type Unwrap = unsafe extern "C" fn(
                *mut u32,
                Handle,
                *const Buffer,
                *mut Buffer,
                *mut i32,
                *mut u32,
            ) -> Major;
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
            type Wrap = unsafe extern "C" fn(
                *mut u32,
                Handle,
                i32,
                u32,
                *const Buffer,
                *mut i32,
                *mut Buffer,
            ) -> Major;
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

    fn checked(major: Major, minor: u32) -> Result<(), Cause> {
        if major & ERRORS == 0 {
            return Ok(());
        }
        let mut words = Vec::new();
        // What the mechanism says is about this case; the first line is only its class.
        if minor != 0 {
            words.extend(words_of(minor, OF_MECHANISM));
        }
        if words.is_empty() {
            words.extend(words_of(major, OF_GSSAPI));
        }
        let detail = server_words(&words.join(", "));
        Err(Cause::KerberosFailed { fault: fault(minor, &detail), detail })
    }

    fn words_of(code: u32, kind: i32) -> Option<String> {
        type Display =
            unsafe extern "C" fn(*mut u32, u32, i32, *const ObjectId, *mut u32, *mut Buffer) -> Major;
        let display = function::<Display>(b"gss_display_status\0").ok()?;
        let mechanism = object_id(KERBEROS);
        let (mut minor, mut more, mut text) = (0, 0, empty());
        // SAFETY: all pointers are to values that outlive the call.
        let major = unsafe {
            display(&raw mut minor, code, kind, &raw const mechanism, &raw mut more, &raw mut text)
        };
        let text = taken(text).ok()?;
        (major == COMPLETE && !text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
    }

    /// By the error's number in Kerberos's table (`krb5_err.et`, base −1765328384) or, behind SPNEGO, which makes up numbers of its
    /// own, by MIT's words for it.
    fn fault(minor: u32, words: &str) -> KerberosFault {
        const BASE: i32 = -1_765_328_384;
        let numbered = match minor.cast_signed().wrapping_sub(BASE) {
            6 => Some(KerberosFault::ClientUnknown),
            7 => Some(KerberosFault::ServiceUnknown),
            18 | 23 | 24 | 31 => Some(KerberosFault::Refused),
            37 => Some(KerberosFault::ClockSkew),
            156 | 230 => Some(KerberosFault::KdcUnreachable),
            32 => Some(KerberosFault::Expired),
            _ => None,
        };
        let spoken = [
            ("Clock skew", KerberosFault::ClockSkew),
            ("Cannot contact any KDC", KerberosFault::KdcUnreachable),
            ("Cannot find KDC", KerberosFault::KdcUnreachable),
            ("Cannot resolve", KerberosFault::KdcUnreachable),
            ("Client not found", KerberosFault::ClientUnknown),
            ("' not found in Kerberos", KerberosFault::ClientUnknown),
            ("Server not found", KerberosFault::ServiceUnknown),
            ("not found in Kerberos database", KerberosFault::ServiceUnknown),
            ("Preauthentication failed", KerberosFault::Refused),
            ("Decrypt integrity check", KerberosFault::Refused),
            ("revoked", KerberosFault::Refused),
            ("expired", KerberosFault::Expired),
        ];
        let spoken = spoken.into_iter().find(|(words_of_it, _)| words.contains(words_of_it));
        numbered.or(spoken.map(|(_, fault)| fault)).unwrap_or(KerberosFault::Misconfigured)
    }
}
