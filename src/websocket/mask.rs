//! The masking of a client's payloads (RFC 6455 section 5.3).

/// The bytes that are masked at once.
const WORD: usize = 8;

/// Masks or unmasks in place: the one undoes the other. `key` is what the first of `bytes` meets
/// first; it comes back turned to what meets the byte after the last, so that a payload may come
/// in pieces of any size.
pub fn mask(bytes: &mut [u8], key: &mut [u8; 4]) {
    let [a, b, c, d] = *key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<WORD>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c, d].into_iter().cycle()) {
        *byte ^= key;
    }
    key.rotate_left(rest.len() % 4);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The RFC's own words: octet `i` meets octet `i MOD 4` of the key.
    fn by_the_letter(bytes: &[u8], key: [u8; 4]) -> Vec<u8> {
        bytes.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect()
    }

    #[test]
    fn the_masked_hello_of_rfc_6455_is_read() {
        let mut bytes = *b"\x7f\x9f\x4d\x51\x58";
        mask(&mut bytes, &mut [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(&bytes, b"Hello");
    }

    proptest! {
        #[test]
        fn it_is_what_the_rfc_says_and_its_own_opposite(bytes: Vec<u8>, key: [u8; 4]) {
            let mut masked = bytes.clone();
            mask(&mut masked, &mut key.clone());
            prop_assert_eq!(&masked, &by_the_letter(&bytes, key));
            mask(&mut masked, &mut key.clone());
            prop_assert_eq!(masked, bytes);
        }

        #[test]
        fn pieces_are_masked_like_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            key: [u8; 4],
            sizes in prop::collection::vec(0..20_usize, 0..10),
        ) {
            let mut masked = bytes.clone();
            let mut turned = key;
            let mut rest = masked.as_mut_slice();
            for size in sizes.into_iter().chain([usize::MAX]) {
                let (piece, after) = rest.split_at_mut(size.min(rest.len()));
                mask(piece, &mut turned);
                rest = after;
            }
            prop_assert_eq!(masked, by_the_letter(&bytes, key));
        }
    }
}
