//! Paragraphs whose lines were broken for the journey (RFC 3676).

use super::fields::Lines;

/// Lines that end in `\n`, joined where the sender broke them.
pub(super) fn unflowed(text: &str, lines: Lines) -> String {
    let text = text.replace("\r\n", "\n");
    let delsp = match lines {
        Lines::Fixed => return text,
        Lines::Flowed => DelSp::No,
        Lines::FlowedDelSp => DelSp::Yes,
    };
    let mut joined = String::with_capacity(text.len());
    // The quote depth of a paragraph that goes on.
    let mut going: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let (text, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let depth = text.bytes().take_while(|byte| *byte == b'>').count();
        let words = text[depth..].strip_prefix(' ').unwrap_or(&text[depth..]);
        if going != Some(depth) {
            if going.is_some() {
                joined.push('\n');
            }
            joined.push_str(&text[..depth]);
            joined.push_str(if depth > 0 { " " } else { "" });
        }
        // The line before a signature is never joined.
        let is_soft = words.ends_with(' ') && words != "-- ";
        match (is_soft, delsp) {
            (true, DelSp::Yes) => joined.push_str(&words[..words.len() - 1]),
            (true, DelSp::No) | (false, _) => joined.push_str(words),
        }
        going = is_soft.then_some(depth);
        if !is_soft {
            joined.push_str(end);
        }
    }
    joined
}

#[derive(Clone, Copy)]
enum DelSp {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_breaks_are_joined_and_quotes_signatures_and_stuffing_kept() {
        let sent = "one \r\ntwo\r\n> quoted \r\n> goes on\r\n>> deeper \r\nanswer\r\n From stuffed\r\n-- \r\nname\r\n";
        let read = "one two\n> quoted goes on\n>> deeper \nanswer\nFrom stuffed\n-- \nname\n";
        assert_eq!(unflowed(sent, Lines::Flowed), read);
        assert_eq!(unflowed("a \r\nb", Lines::FlowedDelSp), "ab");
        assert_eq!(unflowed("a \r\nb\r\n", Lines::Fixed), "a \nb\n");
    }
}
