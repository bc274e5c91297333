//! The system's GSSAPI library: its types (RFC 2744), its names, and its errors in words.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

use libloading::{Library, Symbol};

use crate::model::failure::{Cause, KerberosFault, server_words};

pub(super) type Major = u32;
pub(super) type Handle = *mut c_void;

/// `gss_OID_desc`
#[repr(C)]
pub(super) struct ObjectId {
    pub(super) length: u32,
    pub(super) elements: *const u8,
}

/// `gss_buffer_desc`
#[repr(C)]
pub(super) struct Buffer {
    pub(super) length: usize,
    pub(super) value: *mut c_void,
}

/// `gss_channel_bindings_struct`
#[repr(C)]
pub(super) struct Bindings {
    pub(super) initiator_kind: u32,
    pub(super) initiator: Buffer,
    pub(super) acceptor_kind: u32,
    pub(super) acceptor: Buffer,
    pub(super) application: Buffer,
}

/// `gss_OID_set_desc`
#[repr(C)]
pub(super) struct ObjectIds {
    pub(super) count: usize,
    pub(super) elements: *const ObjectId,
}

/// `gss_key_value_element_desc`
#[repr(C)]
pub(super) struct Pair {
    pub(super) key: *const c_char,
    pub(super) value: *const c_char,
}

/// `gss_key_value_set_desc`
#[repr(C)]
pub(super) struct Pairs {
    pub(super) count: u32,
    pub(super) elements: *const Pair,
}

pub(super) const KERBEROS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];
/// `GSS_C_NT_HOSTBASED_SERVICE`
pub(super) const SERVICE_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x01, 0x04];
/// `GSS_KRB5_NT_PRINCIPAL_NAME`
pub(super) const PRINCIPAL_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02, 0x01];

const COMPLETE: Major = 0;
pub(super) const CONTINUE_NEEDED: Major = 1;
/// Calling and routine errors; the rest tells about the progress.
const ERRORS: Major = 0xffff_0000;
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

pub(super) fn function<T>(name: &'static [u8]) -> Result<Symbol<'static, T>, Cause> {
    // SAFETY: every caller names the type that RFC 2744 (or MIT's gssapi_ext.h) gives the function.
    unsafe { library()?.get(name) }.map_err(|error| Cause::KerberosFailed {
        fault: KerberosFault::NotInstalled,
        detail: server_words(&error.to_string()),
    })
}

pub(super) fn object_id(bytes: &'static [u8]) -> ObjectId {
    ObjectId { length: u32::try_from(bytes.len()).unwrap_or(0), elements: bytes.as_ptr() }
}

/// A buffer that the library only reads.
pub(super) fn lent(bytes: &[u8]) -> Buffer {
    Buffer { length: bytes.len(), value: bytes.as_ptr().cast_mut().cast() }
}

pub(super) fn empty() -> Buffer {
    Buffer { length: 0, value: ptr::null_mut() }
}

/// Copies what the library has filled, and gives its memory back.
pub(super) fn taken(mut buffer: Buffer) -> Result<Vec<u8>, Cause> {
    let release = function::<unsafe extern "C" fn(*mut u32, *mut Buffer) -> Major>(b"gss_release_buffer\0")?;
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
pub(super) struct Name(pub(super) Handle);

impl Name {
    pub(super) fn import(text: &str, kind: &'static [u8]) -> Result<Self, Cause> {
        type Import = unsafe extern "C" fn(*mut u32, *const Buffer, *const ObjectId, *mut Handle) -> Major;
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
pub(super) fn release(name: &'static [u8], handle: &mut Handle) {
    let release = function::<unsafe extern "C" fn(*mut u32, *mut Handle) -> Major>(name);
    if let Ok(release) = release
        && !handle.is_null()
    {
        let mut minor = 0;
        // SAFETY: the handle came from the library, and is null afterwards.
        unsafe { release(&raw mut minor, handle) };
    }
}

pub(super) fn checked(major: Major, minor: u32) -> Result<(), Cause> {
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
    type Display = unsafe extern "C" fn(*mut u32, u32, i32, *const ObjectId, *mut u32, *mut Buffer) -> Major;
    let display = function::<Display>(b"gss_display_status\0").ok()?;
    let mechanism = object_id(KERBEROS);
    let (mut minor, mut more, mut text) = (0, 0, empty());
    // SAFETY: all pointers are to values that outlive the call.
    let major =
        unsafe { display(&raw mut minor, code, kind, &raw const mechanism, &raw mut more, &raw mut text) };
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
