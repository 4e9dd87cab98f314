//! A linear model over hashed features, one signed byte a weight: small enough to stand in the binary, quick enough for
//! every message. Features have a table so large that two hardly ever share a place in it; only the places that were learnt
//! something at are kept. How the features are made is each model's own affair.

use std::io::{Read, Write};

/// A feature's bucket and strength.
pub type Feature = (u32, f32);

/// FNV-1a, mixed once more at the end: stable over machines and versions, as learnt weights need.
#[derive(Clone, Copy)]
pub struct Hash(u32);

impl Hash {
    /// Of a kind of feature.
    pub fn of(kind: u8) -> Self {
        Self(0x811c_9dc5).with(&[kind])
    }

    /// And these bytes.
    pub fn with(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)))
    }

    /// The end of a part.
    pub fn part(self) -> Self {
        self.with(&[0x1f])
    }

    /// The bucket it falls into.
    pub fn bucket(self, buckets: u32) -> u32 {
        // the low bits of FNV mix poorly over short strings
        let hash = (self.0 ^ (self.0 >> 13)).wrapping_mul(0x5bd1_e995);
        (hash ^ (hash >> 15)) % buckets
    }
}

/// The bucket of a feature made of parts.
pub fn hash(buckets: u32, kind: u8, parts: &[&str]) -> u32 {
    parts.iter().fold(Hash::of(kind), |hash, part| hash.with(part.as_bytes()).part()).bucket(buckets)
}

/// Adds what fell into one bucket, dampens repeats, and makes all messages equally long.
pub fn merge(mut found: Vec<Feature>) -> Vec<Feature> {
    found.sort_unstable_by_key(|(bucket, _)| *bucket);
    let mut merged: Vec<Feature> = Vec::with_capacity(found.len());
    for (bucket, strength) in found {
        match merged.last_mut() {
            Some((last, sum)) if *last == bucket => *sum = sum.max(strength) * 1.15,
            _ => merged.push((bucket, strength)),
        }
    }
    level(&mut merged);
    merged
}

/// Makes a message's features together of length one.
pub fn level(features: &mut [Feature]) {
    let norm = features.iter().map(|(_, strength)| strength * strength).sum::<f32>().sqrt().max(1e-6);
    features.iter_mut().for_each(|(_, strength)| *strength /= norm);
}

/// Learnt weights: for each bucket that has any, one byte a head; one scale a head.
pub struct Linear {
    scales: Vec<f32>,
    /// A bit for each bucket: it has a row.
    kept: Vec<u64>,
    /// Rows before each word of `kept`.
    before: Vec<u32>,
    weights: &'static [u8],
}

/// Then the number of heads (one byte), the scales as little-endian f32, the number of buckets as little-endian u32, a bit for
/// each bucket, and the rows of those whose bit is set.
const MAGIC: &[u8; 4] = b"KAFN";

impl Linear {
    /// Reads what [`pack`] made smaller; the unpacked weights stay for the life of the program.
    pub fn from_packed(packed: &[u8]) -> Option<Self> {
        let mut bytes = Vec::with_capacity(packed.len() * 2);
        flate2::read::ZlibDecoder::new(packed).read_to_end(&mut bytes).ok()?;
        Self::from_bytes(bytes.leak())
    }

    /// Reads what [`to_bytes`] wrote.
    pub fn from_bytes(bytes: &'static [u8]) -> Option<Self> {
        let (heads, rest) = bytes.strip_prefix(MAGIC)?.split_first()?;
        let heads = usize::from(*heads);
        let (scales, rest) = rest.split_at_checked(heads * 4)?;
        let scales: Vec<f32> = scales.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
        let (buckets, rest) = rest.split_first_chunk::<4>()?;
        let (bits, weights) = rest.split_at_checked((u32::from_le_bytes(*buckets) as usize).div_ceil(64) * 8)?;
        let kept: Vec<u64> = bits.chunks_exact(8).map(|bytes| u64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])).collect();
        let mut rows = 0;
        let before = kept
            .iter()
            .map(|word| {
                rows += word.count_ones();
                rows - word.count_ones()
            })
            .collect();
        (heads > 0 && weights.len() == rows as usize * heads).then_some(Self { scales, kept, before, weights })
    }

    /// The weights of a bucket, if it has any.
    fn row(&self, bucket: u32) -> Option<&[u8]> {
        let (word, bit) = (bucket as usize / 64, bucket % 64);
        let bits = *self.kept.get(word)?;
        if bits >> bit & 1 == 0 {
            return None;
        }
        let rank = self.before[word] + (bits & ((1 << bit) - 1)).count_ones();
        let heads = self.scales.len();
        self.weights.get(rank as usize * heads..)?.get(..heads)
    }

    /// Sum of each head: above zero is more likely than not. Features nothing was learnt of do not count, also not in how long
    /// the message is.
    pub fn sums(&self, features: &[Feature]) -> Vec<f32> {
        let mut sums = vec![0.0f32; self.scales.len()];
        let mut length = 0.0f32;
        for (bucket, strength) in features {
            let Some(row) = self.row(*bucket) else { continue };
            length += strength * strength;
            for (sum, weight) in sums.iter_mut().zip(row) {
                *sum += f32::from(weight.cast_signed()) * strength;
            }
        }
        let length = length.sqrt().max(1e-6);
        sums.iter_mut().zip(&self.scales).for_each(|(sum, scale)| *sum *= scale / length);
        sums
    }

    /// Probability of each head.
    pub fn score(&self, features: &[Feature]) -> Vec<f32> {
        let mut sums = self.sums(features);
        sums.iter_mut().for_each(|sum| *sum = 1.0 / (1.0 + (-*sum).exp()));
        sums
    }
}

/// Rows of weights, each with its bucket in rising order, as the file the binary carries.
pub fn to_bytes(rows: &[(u32, &[f32])], buckets: u32, heads: usize) -> Vec<u8> {
    let mut scales = vec![1e-9f32; heads];
    for (_, row) in rows {
        scales.iter_mut().zip(*row).for_each(|(scale, weight)| *scale = scale.max(weight.abs() / 127.0));
    }
    let mut kept = vec![0u64; (buckets as usize).div_ceil(64)];
    rows.iter().for_each(|(bucket, _)| kept[*bucket as usize / 64] |= 1 << (bucket % 64));
    let mut bytes = MAGIC.to_vec();
    bytes.push(heads as u8);
    scales.iter().for_each(|scale| bytes.extend(scale.to_le_bytes()));
    bytes.extend(buckets.to_le_bytes());
    kept.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    for (_, row) in rows {
        bytes.extend(row.iter().zip(&scales).map(|(weight, scale)| ((weight / scale).round() as i8).cast_unsigned()));
    }
    bytes
}

/// The same in fewer bytes.
pub fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(bytes)?;
    packed.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_survive_the_file_within_half_a_step() {
        let rows: [(u32, &[f32]); 3] = [(1, &[0.5, -1.0]), (64, &[0.25, 2.0]), (99, &[-0.125, 0.0])];
        let model = Linear::from_bytes(to_bytes(&rows, 100, 2).leak()).unwrap();
        for (bucket, weights) in rows {
            // what has no row does not count
            let sums = model.sums(&[(0, 5.0), (bucket, 1.0), (65, 2.0)]);
            for (sum, weight) in sums.iter().zip(weights) {
                assert!((sum - weight).abs() <= 0.01, "{bucket} {sum} {weight}");
            }
        }
        assert_eq!(model.sums(&[(2, 1.0)]), [0.0, 0.0]);
        let packed = Linear::from_packed(&pack(&to_bytes(&rows, 100, 2)).unwrap()).unwrap();
        assert_eq!(packed.sums(&[(99, 1.0)]), model.sums(&[(99, 1.0)]));
        assert!(Linear::from_bytes(b"KAFX").is_none() && Linear::from_bytes(b"KAFN").is_none() && Linear::from_bytes(b"KAFN\x01\0\0\0\0\x40\0\0\0").is_none());
    }
}
