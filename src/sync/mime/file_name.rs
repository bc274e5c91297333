//! A file name from a stranger's wish for one.

/// So that a number and an ending still fit into the 255 octets of a file system.
const BYTES_MAX: usize = 150;

/// Names that mean a device on Windows, whatever stands behind their dot.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// A name without a folder, without anything that a shell, a terminal or a file system takes for something else. `number` is
/// used where nothing is left of the wish.
pub(super) fn file_name(wish: Option<&str>, media_type: &str, number: u32) -> String {
    let wish = wish.unwrap_or_default();
    let last = wish.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe: String = last.chars().map(|c| if is_safe(c) { c } else { '_' }).collect();
    // A leading dot hides a file, a leading dash is an option, trailing dots and blanks get lost on Windows.
    let safe = safe.trim_matches(['.', ' ', '-', '_', '~']);
    let safe = cut(safe);
    if safe.is_empty() {
        return format!("attachment-{number}{}", ending(media_type));
    }
    let stem = safe.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_device = DEVICES.iter().any(|device| {
        stem.strip_prefix(device)
            .is_some_and(|rest| rest.is_empty() || rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
    });
    if is_device { format!("file-{safe}") } else { safe }
}

/// Letters and digits of any script and a few signs. Marks that turn the direction of writing around are not among them: they
/// make `exe.fdp` of `pdf.exe`.
fn is_safe(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ' | '(' | ')' | '+' | ',' | '@' | '#' | '=')
}

/// At most [`BYTES_MAX`] octets, with the ending.
fn cut(name: &str) -> String {
    if name.len() <= BYTES_MAX {
        return name.to_owned();
    }
    let ending =
        name.rfind('.').map(|at| &name[at..]).filter(|ending| ending.len() <= 16).unwrap_or_default();
    let mut length = BYTES_MAX - ending.len();
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    format!("{}{ending}", name[..length].trim_end_matches(['.', ' ']))
}

fn ending(media_type: &str) -> &'static str {
    match media_type {
        "message/rfc822" | "message/global" => ".eml",
        "application/pdf" => ".pdf",
        "application/ms-tnef" => ".dat",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => ".p7s",
        "application/pgp-signature" => ".asc",
        "image/png" => ".png",
        "image/jpeg" => ".jpg",
        "image/gif" => ".gif",
        "text/plain" => ".txt",
        "text/html" => ".html",
        "text/csv" => ".csv",
        "text/calendar" => ".ics",
        "text/vcard" => ".vcf",
        _ => ".bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wish_leaves_its_folder_hides_or_pretends() {
        for (wish, name) in [
            ("invoice.pdf", "invoice.pdf"),
            ("Grundriß 2 (neu).png", "Grundriß 2 (neu).png"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\system32\\x.dll", "x.dll"),
            ("/", "attachment-7.bin"),
            ("..", "attachment-7.bin"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("a\0b\n\u{1b}[31m.txt", "a_b___31m.txt"),
            ("invoice\u{202e}fdp.exe", "invoice_fdp.exe"),
            ("nul.txt", "file-nul.txt"),
            ("COM1", "file-COM1"),
            ("comma.csv", "comma.csv"),
            ("$(reboot);`x`|y&z.sh", "(reboot)__x__y_z.sh"),
            ("name. . .", "name"),
        ] {
            assert_eq!(file_name(Some(wish), "application/octet-stream", 7), name, "{wish:?}");
        }
        assert_eq!(file_name(None, "message/rfc822", 2), "attachment-2.eml");
    }

    #[test]
    fn a_long_wish_keeps_its_ending_and_whole_characters() {
        let name = file_name(Some(&format!("{}.pdf", "ü".repeat(200))), "application/pdf", 1);
        assert!(name.len() <= BYTES_MAX && name.ends_with("ü.pdf"), "{name}");
        assert!(file_name(Some(&".x".repeat(500)), "", 1).len() <= BYTES_MAX);
    }
}
