//! What the safe's tests share.

pub const REQUEST: [u8; 16] = [7; 16];

/// Repeatable "randomness": every byte follows from the seed and its place.
pub fn chance(seed: u64) -> impl FnMut(&mut [u8]) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    move |out| {
        for byte in out {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = (state >> 32) as u8;
        }
    }
}
