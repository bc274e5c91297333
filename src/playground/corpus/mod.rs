//! Mail as it comes in reality.
pub struct Dated {
    pub sent: jiff::Timestamp,
    pub raw: Vec<u8>,
}
pub fn dated_messages(_count: usize, _seed: u64) -> Vec<Dated> {
    Vec::new()
}
