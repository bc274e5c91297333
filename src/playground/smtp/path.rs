//! The arguments of MAIL and RCPT: RFC 5321 section 4.1.2 without source routes, RFC 6531 for non-ASCII.

use crate::model::limits;

/// `<address>` with what follows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// Empty for `<>`.
    pub(super) address: &'a str,
    /// `KEYWORD=value` or `KEYWORD`, as they came.
    pub(super) parameters: Vec<&'a str>,
}

/// Parses what follows `FROM:` or `TO:`. No space may stand before `<`, one before each parameter.
pub(super) fn parse<'a>(keyword: &str, argument: &'a str) -> Option<Path<'a>> {
    let start = argument.get(..keyword.len())?;
    let rest = argument.get(keyword.len()..)?.strip_prefix('<')?;
    let (address, rest) = rest.split_once('>')?;
    let parameters: Vec<&str> = match rest.strip_prefix(' ') {
        Some(parameters) => parameters.split(' ').collect(),
        None if rest.is_empty() => Vec::new(),
        None => return None,
    };
    let well_formed = parameters.iter().all(|parameter| is_parameter(parameter));
    (start.eq_ignore_ascii_case(keyword) && well_formed).then_some(Path { address, parameters })
}

fn is_parameter(parameter: &str) -> bool {
    let (keyword, value) = match parameter.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (parameter, None),
    };
    let keyword_good = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
        && keyword.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    keyword_good && value.is_none_or(|value| !value.is_empty() && !value.contains('='))
}

/// A dot-string local part and a domain or address literal. Quoted local parts are read too, unusual as they are.
pub(super) fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let dot_string =
        |local: &str| local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_text));
    let local_good = match local.strip_prefix('"').and_then(|local| local.strip_suffix('"')) {
        Some(quoted) => !quoted.contains(['"', '\\']),
        None => dot_string(local),
    };
    local_good
        && local.len() <= limits::ADDRESS_LOCAL_BYTES_MAX
        && text.len() <= limits::ADDRESS_BYTES_MAX
        && is_host(domain)
}

/// RFC 5321 `Domain` or `address-literal`; letters beyond ASCII as in RFC 6531.
pub(super) fn is_host(text: &str) -> bool {
    if let Some(literal) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return match literal.strip_prefix("IPv6:") {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => literal.parse::<std::net::Ipv4Addr>().is_ok(),
        };
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii();
    let label = |label: &str| {
        label.starts_with(letter) && label.ends_with(letter) && label.chars().all(|c| letter(c) || c == '-')
    };
    text.len() <= 255 && text.split('.').all(label)
}

fn is_atom_text(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stands_in_angle_brackets_right_after_the_colon() {
        let path = parse("FROM:", "from:<a@b.test> SIZE=10 SMTPUTF8").unwrap();
        assert_eq!(path, Path { address: "a@b.test", parameters: vec!["SIZE=10", "SMTPUTF8"] });
        assert_eq!(parse("FROM:", "FROM:<>"), Some(Path { address: "", parameters: vec![] }));
        for wrong in
            ["FROM: <a@b.test>", "FROM:a@b.test", "FROM:<a@b.test>SIZE=1", "FROM:<a@b.test>  X", "TO:<a@b>"]
        {
            assert_eq!(parse("FROM:", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn addresses_are_dot_strings_at_domains() {
        for right in
            ["a@b", "a.b+c@d.test", "\"a b\"@c.test", "a@[127.0.0.1]", "j\u{fc}rgen@m\u{fc}ller.test"]
        {
            assert!(is_address(right), "{right}");
        }
        for wrong in ["a", "@b", "a@", ".a@b", "a..b@c", "a b@c", "a@-b", "a@b_c", "a@b..c", "a@[1.2.3]"] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
