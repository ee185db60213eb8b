//! Which partition a key belongs to: librdkafka's `murmur2_random`, the same as the Java client's default.

/// The partition of a key, as Java clients and librdkafka's `murmur2_random` choose it.
///
/// # Panics
/// When `partitions` is zero; the catalog refuses that.
pub fn partition(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions
}

/// MurmurHash2 with the seed of Kafka's Java client.
fn murmur2(data: &[u8]) -> u32 {
    const MIX: u32 = 0x5bd1_e995;
    let (words, tail) = data.as_chunks::<4>();
    // Kafka hashes the length as a 32-bit number; keys are far shorter.
    let mut hash = 0x9747_b28c ^ (data.len() as u32);
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(MIX);
        mixed ^= mixed >> 24;
        hash = hash.wrapping_mul(MIX) ^ mixed.wrapping_mul(MIX);
    }
    if !tail.is_empty() {
        for (place, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * place);
        }
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, hash: i32) {
        assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        assert_eq!(partition(key.as_bytes(), 6), (hash.cast_unsigned() & 0x7fff_ffff) % 6, "{key}");
    }

    #[test]
    fn keys_hash_as_the_java_client_hashes_them() {
        check("21", -973_932_308);
        check("foobar", -790_332_482);
        check("a-little-bit-long-string", -985_981_536);
        check("a-little-bit-longer-string", -1_486_304_829);
        check("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971);
        check("abc", 479_470_107);
    }
}
