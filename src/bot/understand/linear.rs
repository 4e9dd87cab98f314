//! A linear model over hashed features, one signed byte a weight: small enough to stand in the binary, quick enough for
//! every message. How the features are made is each model's own affair.

/// A feature's bucket and strength.
pub type Feature = (u32, f32);

/// FNV-1a over the parts: stable over machines and versions, as learnt weights need.
pub fn hash(buckets: u32, kind: u8, parts: &[&str]) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut eat = |byte: u8| hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    eat(kind);
    for part in parts {
        part.bytes().for_each(&mut eat);
        eat(0x1f);
    }
    // the low bits of FNV mix poorly over short strings
    (hash ^ (hash >> 15)) % buckets
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
    let norm = merged.iter().map(|(_, strength)| strength * strength).sum::<f32>().sqrt().max(1e-6);
    merged.iter_mut().for_each(|(_, strength)| *strength /= norm);
    merged
}

/// Learnt weights: for each bucket one byte a head, one scale a head.
pub struct Linear {
    scales: Vec<f32>,
    weights: &'static [u8],
}

/// Then the number of heads (one byte), the scales as little-endian f32, the weights bucket by bucket.
const MAGIC: &[u8; 4] = b"KAFM";

impl Linear {
    /// Reads what [`to_bytes`] wrote.
    pub fn from_bytes(bytes: &'static [u8]) -> Option<Self> {
        let (heads, rest) = bytes.strip_prefix(MAGIC)?.split_first()?;
        let (scales, weights) = rest.split_at_checked(usize::from(*heads) * 4)?;
        let scales: Vec<f32> = scales.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
        (!scales.is_empty() && weights.len() % scales.len() == 0).then_some(Self { scales, weights })
    }

    /// Sum of each head: above zero is more likely than not.
    pub fn sums(&self, features: &[Feature]) -> Vec<f32> {
        let heads = self.scales.len();
        let mut sums = vec![0.0f32; heads];
        for (bucket, strength) in features {
            let row = &self.weights[*bucket as usize * heads..][..heads];
            for (sum, weight) in sums.iter_mut().zip(row) {
                *sum += f32::from(weight.cast_signed()) * strength;
            }
        }
        sums.iter_mut().zip(&self.scales).for_each(|(sum, scale)| *sum *= scale);
        sums
    }

    /// Probability of each head.
    pub fn score(&self, features: &[Feature]) -> Vec<f32> {
        let mut sums = self.sums(features);
        sums.iter_mut().for_each(|sum| *sum = 1.0 / (1.0 + (-*sum).exp()));
        sums
    }
}

/// Weights, `heads` for each bucket, as the file the binary carries.
pub fn to_bytes(weights: &[f32], heads: usize) -> Vec<u8> {
    let mut scales = vec![1e-9f32; heads];
    for row in weights.chunks_exact(heads) {
        scales.iter_mut().zip(row).for_each(|(scale, weight)| *scale = scale.max(weight.abs() / 127.0));
    }
    let mut bytes = MAGIC.to_vec();
    bytes.push(heads as u8);
    scales.iter().for_each(|scale| bytes.extend(scale.to_le_bytes()));
    for row in weights.chunks_exact(heads) {
        bytes.extend(row.iter().zip(&scales).map(|(weight, scale)| ((weight / scale).round() as i8).cast_unsigned()));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_survive_the_file_within_half_a_step() {
        let weights = [0.5f32, -1.0, 0.25, 2.0, -0.125, 0.0];
        let model = Linear::from_bytes(to_bytes(&weights, 2).leak()).unwrap();
        for bucket in 0..3 {
            let sums = model.sums(&[(bucket, 1.0)]);
            for (head, sum) in sums.iter().enumerate() {
                assert!((sum - weights[bucket as usize * 2 + head]).abs() <= 0.01, "{bucket} {head} {sum}");
            }
        }
        assert!(Linear::from_bytes(b"KAFX").is_none() && Linear::from_bytes(b"KAFM").is_none());
    }
}
