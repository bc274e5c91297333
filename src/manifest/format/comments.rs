//! The comments of a text in their order, each given to whoever asks first.

use std::ops::Range;

/// A comment on a line of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment<'t> {
    /// With its `#`, without blanks at its end.
    pub text: &'t str,
    pub blank_before: bool,
}

#[derive(Debug)]
pub struct Comments<'t> {
    text: &'t str,
    ranges: Vec<Range<usize>>,
    next: usize,
}

impl<'t> Comments<'t> {
    /// `ranges` are the bytes of the comments, in their order.
    pub fn new(text: &'t str, ranges: Vec<Range<usize>>) -> Self {
        Self { text, ranges, next: 0 }
    }

    /// All comments up to a byte.
    pub fn before(&mut self, end: usize) -> Vec<Comment<'t>> {
        let mut found = Vec::new();
        while let Some(range) = self.peek().filter(|range| range.start < end) {
            found.push(self.take(&range));
        }
        found
    }

    /// The next comment between a key and its value, and whether it stands on the line of the key.
    pub fn next_between(&mut self, key_end: usize, value_start: usize) -> Option<(Comment<'t>, bool)> {
        let range = self.peek()?;
        let on_line = range.start >= key_end && !self.slice(key_end..range.start).contains('\n');
        let beside = on_line && self.is_beside_nothing_else(key_end, range.start);
        (range.start < value_start || beside).then(|| (self.take(&range), on_line))
    }

    /// The next comment inside a node that has just been read.
    pub fn next_inside(&mut self, end: usize) -> Option<(Comment<'t>, bool)> {
        let range = self.peek().filter(|range| range.start < end)?;
        Some((self.take(&range), false))
    }

    /// The comment that stands on the line on which something ends.
    pub fn next_beside(&mut self, end: usize) -> Option<Comment<'t>> {
        let range = self.peek().filter(|range| range.start >= end)?;
        let between = self.slice(end..range.start);
        let is_beside = between.chars().all(|character| matches!(character, ' ' | '\t' | ','));
        is_beside.then(|| self.take(&range))
    }

    /// Comments on lines of their own that are indented at least so far, up to a byte.
    pub fn own_lines_from(&mut self, column: usize, end: usize) -> Vec<Comment<'t>> {
        let mut found = Vec::new();
        while let Some(range) = self.peek().filter(|range| range.start < end) {
            if !self.is_own_line(range.start) || self.column(range.start) < column {
                break;
            }
            found.push(self.take(&range));
        }
        found
    }

    /// The dash of a list element that begins here. Dashes in comments between the two are none.
    pub fn dash_before(&self, start: usize) -> Option<usize> {
        let mut limit = start;
        let passed = self.ranges.partition_point(|range| range.start < start);
        for range in self.ranges.get(..passed)?.iter().rev() {
            if let Some(at) = self.last_dash(range.end..limit) {
                return Some(at);
            }
            limit = range.start;
            if self.is_own_line(range.start) {
                continue;
            }
            break;
        }
        self.last_dash(0..limit)
    }

    /// The last dash between blanks: one behind a `|` or `>` says something else.
    fn last_dash(&self, range: Range<usize>) -> Option<usize> {
        let stands_alone = |at: &usize| {
            let before = self.slice(0..*at).chars().next_back();
            let after = self.slice(*at + 1..self.text.len()).chars().next();
            before.is_none_or(char::is_whitespace) && after.is_none_or(char::is_whitespace)
        };
        self.slice(range.clone()).rmatch_indices('-').map(|(at, _)| range.start + at).find(stands_alone)
    }

    /// Bytes from the beginning of the line.
    pub fn column(&self, at: usize) -> usize {
        at - self.line_start(at)
    }

    /// Whether the line above the one of this byte is empty.
    fn is_blank_above(&self, at: usize) -> bool {
        let Some(end) = self.line_start(at).checked_sub(1) else { return false };
        self.slice(self.line_start(end)..end).trim().is_empty() && end > 0
    }

    /// Whether this byte begins what stands on its line, and the line above is empty.
    pub fn is_set_apart(&self, at: usize) -> bool {
        self.is_own_line(at) && self.is_blank_above(at)
    }

    fn is_own_line(&self, at: usize) -> bool {
        self.slice(self.line_start(at)..at).trim().is_empty()
    }

    /// Between a key and a comment there is nothing but its colon and perhaps the head of a block scalar.
    fn is_beside_nothing_else(&self, key_end: usize, start: usize) -> bool {
        let between = self.slice(key_end..start).trim();
        between.chars().all(|character| matches!(character, ':' | '|' | '>' | '+' | '-' | '0'..='9' | ' '))
    }

    fn line_start(&self, at: usize) -> usize {
        self.slice(0..at.min(self.text.len())).rfind('\n').map_or(0, |end| end + 1)
    }

    fn slice(&self, range: Range<usize>) -> &'t str {
        self.text.get(range).unwrap_or_default()
    }

    fn peek(&self) -> Option<Range<usize>> {
        self.ranges.get(self.next).cloned()
    }

    fn take(&mut self, range: &Range<usize>) -> Comment<'t> {
        self.next += 1;
        let own = self.is_own_line(range.start);
        Comment {
            text: self.slice(range.clone()).trim_end(),
            blank_before: own && self.is_blank_above(range.start),
        }
    }
}
