//! Ranges of a file, put to a place that Graph has named. The place carries a token of its own in its query, so no other goes
//! there, and it is never printed.
//! <https://learn.microsoft.com/graph/outlook-large-attachments#step-2-use-the-upload-session-to-upload-a-range-of-bytes-of-the-file>

use std::fmt;

use serde::Deserialize;

use super::document;
use super::refusal::GraphError;
use crate::model::failure::server_words;
use crate::model::limits;
use crate::model::secret::Secret;

/// Where the octets of one file go.
pub struct UploadPlace {
    host: String,
    /// Path and query.
    path: Secret<String>,
}

impl fmt::Debug for UploadPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadPlace").field("host", &self.host).finish_non_exhaustive()
    }
}

impl PartialEq for UploadPlace {
    fn eq(&self, other: &Self) -> bool {
        self.host == other.host && self.path.expose() == other.path.expose()
    }
}

impl Eq for UploadPlace {}

impl UploadPlace {
    /// Checks the place that the service names. `hosts`: those of its cloud; a message goes to nobody else.
    pub fn parse(url: &str, hosts: &[&str]) -> Result<Self, GraphError> {
        if url.len() > limits::GRAPH_LINK_BYTES_MAX {
            return Err(GraphError::limit("the place of an upload", limits::GRAPH_LINK_BYTES_MAX));
        }
        let is_clean = url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let rest = url.strip_prefix("https://").filter(|_| is_clean);
        let Some((authority, _)) = rest.and_then(|rest| rest.split_once('/')) else {
            return Err(GraphError::Garbage("the place of an upload is no URL of https".to_owned()));
        };
        // Compared as a whole, so that neither a user nor another port can hide in it.
        let host = authority.strip_suffix(":443").unwrap_or(authority);
        let Some(host) = hosts.iter().find(|known| known.eq_ignore_ascii_case(host)) else {
            return Err(GraphError::Garbage(format!(
                "the place of an upload is another host, `{}`, which does not belong to this cloud; nothing is sent there",
                server_words(authority)
            )));
        };
        let after = "https://".len() + authority.len();
        let path = url.get(after..).unwrap_or("/").to_owned();
        Ok(Self { host: (*host).to_owned(), path: Secret::new(path) })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn path(&self) -> &Secret<String> {
        &self.path
    }
}

/// What an answer says of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// The file is attached.
    Whole,
    /// The first octet that is wanted next.
    UpTo(u64),
    /// Nothing more is wanted, and it is not said that the file is attached.
    Unclear,
}

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadRange<'a> {
    pub from: u64,
    /// Of the whole file.
    pub total: u64,
    pub octets: &'a [u8],
}

impl<'a> UploadRange<'a> {
    /// The piece that begins at an octet. `None`: that is behind the end.
    pub fn of(content: &'a [u8], from: u64) -> Option<Self> {
        let begin = usize::try_from(from).ok()?;
        let rest = content.get(begin..).filter(|rest| !rest.is_empty())?;
        let octets = rest.get(..limits::GRAPH_RANGE_BYTES).unwrap_or(rest);
        Some(Self { from, total: content.len() as u64, octets })
    }

    /// The value of `Content-Range` (RFC 9110 section 14.4).
    pub fn content_range(&self) -> String {
        let last = (self.from + self.octets.len() as u64).saturating_sub(1);
        format!("bytes {}-{last}/{}", self.from, self.total)
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "nextExpectedRanges", default)]
    expected: Vec<String>,
}

impl Uploaded {
    /// The answer to a range, or to the question after one was lost. `status`: one of success; 201 follows the last range.
    pub fn read(status: u16, body: &[u8]) -> Result<Self, GraphError> {
        if status == 201 {
            return Ok(Self::Whole);
        }
        let Document { expected } = document::read("how far an upload has come", body)?;
        Ok(first_expected(&expected)?.map_or(Self::Unclear, Self::UpTo))
    }
}

/// `["2097152"]`, `["0-"]`, `["100-199","300-"]`: where the first one begins. `None`: there is none.
pub(super) fn first_expected(ranges: &[String]) -> Result<Option<u64>, GraphError> {
    let begin = |range: &String| {
        let begin = range.split('-').next().unwrap_or_default().trim();
        begin.parse::<u64>().map_err(|_| {
            GraphError::Garbage(format!("an expected range cannot be understood: `{}`", server_words(range)))
        })
    };
    let begins = ranges.iter().map(begin).collect::<Result<Vec<_>, _>>()?;
    Ok(begins.into_iter().min())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: [&str; 2] = ["outlook.office.com", "graph.microsoft.com"];

    #[test]
    fn a_place_belongs_to_the_cloud_and_is_never_printed() {
        let place = UploadPlace::parse("https://Outlook.office.com/api/x?authtoken=hunter2", &HOSTS).unwrap();
        assert_eq!(
            (place.host(), place.path().expose().as_str()),
            ("outlook.office.com", "/api/x?authtoken=hunter2")
        );
        assert!(!format!("{place:?}").contains("hunter2"));
        for url in [
            "https://evil.example/api/x?authtoken=hunter2",
            "https://outlook.office.com@evil.example/?authtoken=hunter2",
            "https://outlook.office.com:8443/?authtoken=hunter2",
            "http://outlook.office.com/?authtoken=hunter2",
            "https://169.254.169.254/latest?authtoken=hunter2",
            "https://outlook.office.com/\r\nX: hunter2",
            "",
        ] {
            let error = UploadPlace::parse(url, &HOSTS).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn ranges_are_multiples_of_320_kib_and_the_last_one_is_the_rest() {
        let content = vec![0; limits::GRAPH_RANGE_BYTES + 7];
        let first = UploadRange::of(&content, 0).unwrap();
        assert_eq!(
            (first.octets.len() % (320 * 1024), first.content_range().as_str()),
            (0, "bytes 0-3276799/3276807")
        );
        let last = UploadRange::of(&content, 3_276_800).unwrap();
        assert_eq!(last.content_range(), "bytes 3276800-3276806/3276807");
        assert_eq!(UploadRange::of(&content, content.len() as u64), None);
        assert_eq!(UploadRange::of(&content, u64::MAX), None);
    }

    #[test]
    fn what_is_expected_next_is_where_the_first_range_begins() {
        let read = |body: &str| Uploaded::read(200, body.as_bytes());
        assert_eq!(read(r#"{"nextExpectedRanges":["2097152"]}"#), Ok(Uploaded::UpTo(2_097_152)));
        assert_eq!(read(r#"{"nextExpectedRanges":["300-","100-199"]}"#), Ok(Uploaded::UpTo(100)));
        assert_eq!(read(r#"{"nextExpectedRanges":[]}"#), Ok(Uploaded::Unclear));
        assert_eq!(Uploaded::read(201, b""), Ok(Uploaded::Whole));
        for garbage in ["", "{\"nextExpectedRanges\":[\"soon\"]}", "{\"nextExpectedRanges\":[\"-5\"]}", "<p>"]
        {
            assert!(read(garbage).is_err(), "{garbage}");
        }
    }
}
