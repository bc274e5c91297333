//! Inputs made from kept ones, the same for the same seed everywhere.

/// What protocols and formats are made of, and what they stumble over.
const TOKENS: [&[u8]; 40] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b".",
    b"..",
    b"\r\n.\r\n",
    b"--",
    b"(",
    b")",
    b"{",
    b"}",
    b"{5}\r\n",
    b"{99999999999}\r\n",
    b"\"",
    b"\\",
    b"*",
    b"+ ",
    b"M1 OK\r\n",
    b"M1 NO [",
    b"* BYE ",
    b"+OK ",
    b"-ERR ",
    b"250-",
    b"250 ",
    b"354 ",
    b"NIL",
    b"=?utf-8?B?",
    b"?=",
    b"=",
    b"4294967296",
    b"-1",
    b"\xff\xfe",
    b"\xc3",
    b": ",
    b"[",
    b"]",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
];

pub struct Mutator {
    state: u64,
    kept: Vec<Vec<u8>>,
}

impl Mutator {
    pub fn new(seed: u64, kept: Vec<Vec<u8>>) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, kept }
    }

    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.pick_kept();
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let to = at + self.below((input.len() - at).min(32) + 1);
        match self.below(9) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..to)),
            2 => {
                let again = input[at..to].to_vec();
                input.splice(at..at, again);
            }
            3 => {
                let token = TOKENS[self.below(TOKENS.len())];
                input.splice(at..at, token.iter().copied());
            }
            4 => {
                let token = TOKENS[self.below(TOKENS.len())];
                input.splice(at..to, token.iter().copied());
            }
            5 => {
                let other = self.pick_kept();
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            6 => {
                // A line again and again, as a server that has gone mad says it.
                let again = input[at..to].repeat(self.below(50));
                input.splice(at..at, again);
            }
            _ => {
                let value = (self.next() >> 24) as u8;
                if let Some(byte) = input.get_mut(at) {
                    *byte = if value & 1 == 0 { *byte ^ 1 << (value >> 5) } else { value };
                }
            }
        }
    }

    fn pick_kept(&mut self) -> Vec<u8> {
        let index = self.below(self.kept.len());
        self.kept[index].clone()
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit.max(1)
    }

    /// Marsaglia's xorshift.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}

#[test]
fn the_same_seed_makes_the_same_inputs_and_another_one_others() {
    let row = |seed| {
        let mut mutator = Mutator::new(seed, vec![b"one two three".to_vec(), b"four".to_vec()]);
        (0..50).map(|_| mutator.next_input()).collect::<Vec<_>>()
    };
    assert_eq!(row(1), row(1));
    assert_ne!(row(1), row(2));
}
