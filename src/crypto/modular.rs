//! The RSA public-key operation, `x^e mod n`.
//!
//! The exponent is public, so its bits may steer the program: square and multiply, seventeen steps for 65537. That is
//! what makes this many times as fast as a general exponentiation, which treats every exponent as long and secret.
//! The base is the padded message and is secret; nothing below branches on it or indexes by it.
//!
//! All arithmetic is `crypto-bigint`'s, on its limbs and on slices of them: products added with their carries, shifts,
//! conditional subtractions. Its own Montgomery forms are not used, because they bring division and Karatsuba multiplication for
//! each width, more bytes than the rest of a page's download, and square by a full multiplication. What is put
//! together here is Montgomery's reduction (Handbook of Applied Cryptography, 14.32) behind a squaring that forms
//! every product of two different limbs once (14.16). Tests hold it to the crate `rsa`.

use crate::wiped::Wiped;
use crypto_bigint::{Choice, Limb, UintRef, Word};

use crate::prelude::*;

/// A number, least significant limb first. Every number below has the length of its modulus.
type Limbs = Wiped<Vec<Limb>>;

/// An odd modulus, prepared for multiplications.
#[derive(Clone)]
pub(crate) struct Modulus {
    limbs: Vec<Limb>,
    /// `-1 / n` modulo the base of a limb.
    inverse: Limb,
    /// `R^2 mod n`, where `R` is the base of a limb to the power of their number.
    square: Vec<Limb>,
}

impl Modulus {
    /// From big-endian bytes without leading zeros; `None` for an even number and for 1.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        // An even number of limbs, because they are multiplied in pairs.
        let limbs = limbs(bytes, 2 * bytes.len().div_ceil(2 * Limb::BYTES));
        let odd = bytes.last().is_some_and(|byte| byte & 1 == 1);
        if !odd || bytes == [1] {
            return None;
        }
        // Hensel's lifting doubles the exact bits each time, from the five of 3n xor 2.
        let n = limbs.first()?.0;
        let mut inverse = n.wrapping_mul(3) ^ 2;
        for _ in 0..4 {
            inverse = inverse.wrapping_mul(Word::wrapping_sub(2, n.wrapping_mul(inverse)));
        }
        let mut modulus = Self {
            limbs: limbs.to_vec(),
            inverse: Limb(inverse.wrapping_neg()),
            square: Vec::new(),
        };
        modulus.square = modulus.square_of_base();
        Some(modulus)
    }

    /// `R^2 mod n`, without a division.
    fn square_of_base(&self) -> Vec<Limb> {
        let number = UintRef::new(&self.limbs);
        let (all, used) = (number.bits_precision(), number.bits_vartime());
        // The highest power of two below n, doubled until it is 2R.
        let mut power = self.zero();
        UintRef::new_mut(&mut power).set_bit_vartime(used - 1, true);
        for _ in used..=all + 1 {
            self.double(&mut power);
        }
        // In Montgomery form this is 2; squaring and doubling make it 2^all, which is R in that form.
        for bit in (0..all.ilog2()).rev() {
            power = self.squared(&power);
            if all >> bit & 1 == 1 {
                self.double(&mut power);
            }
        }
        power.to_vec()
    }

    /// `base^exponent` in big-endian bytes, a whole number of limbs; `base` is below the modulus, `exponent` odd and at
    /// least 3.
    pub(crate) fn power(&self, base: &[u8], exponent: u64) -> Wiped<Vec<u8>> {
        let base = limbs(base, self.limbs.len());
        let form = self.multiplied(&base, &self.square);
        let mut power = form.clone();
        // From the bit below the highest to the one above the lowest.
        for bit in (1..exponent.ilog2()).rev() {
            power = self.squared(&power);
            if exponent >> bit & 1 == 1 {
                power = self.multiplied(&power, &form);
            }
        }
        // The lowest bit is set. The base itself, not its Montgomery form, leaves that form at once.
        power = self.multiplied(&self.squared(&power), &base);
        let mut bytes = Wiped::new(Vec::with_capacity(power.len() * Limb::BYTES));
        for limb in power.iter().rev() {
            bytes.extend_from_slice(&limb.0.to_be_bytes());
        }
        bytes
    }

    fn zero(&self) -> Limbs {
        Wiped::new(vec![Limb::ZERO; self.limbs.len()])
    }

    /// `2x mod n`.
    fn double(&self, x: &mut [Limb]) {
        let carry = UintRef::new_mut(x).shl1_assign();
        self.subtract(x, carry);
    }

    /// `xy / R mod n`.
    fn multiplied(&self, x: &[Limb], y: &[Limb]) -> Limbs {
        let mut product = Wiped::new(vec![Limb::ZERO; 2 * x.len()]);
        for (index, pair) in x.chunks_exact(2).enumerate() {
            if let ([low, high], Some(to)) = (pair, product.get_mut(2 * index..)) {
                add_rows(to, y, [*low, *high], Limb::ZERO, Limb::ZERO);
            }
        }
        self.reduced(&mut product)
    }

    /// `x^2 / R mod n`.
    fn squared(&self, x: &[Limb]) -> Limbs {
        let mut product = Wiped::new(vec![Limb::ZERO; 2 * x.len()]);
        let mut rest = x;
        let mut to = &mut **product;
        while let ([low, high, higher @ ..], [_, place, beyond @ ..]) = (rest, to) {
            let over;
            (*place, over) = low.carrying_mul_add(*high, *place, Limb::ZERO);
            add_rows(beyond, higher, [*low, *high], over, Limb::ZERO);
            rest = higher;
            to = beyond.get_mut(2..).unwrap_or_default();
        }
        UintRef::new_mut(&mut product).shl1_assign();
        let mut carry = Limb::ZERO;
        for (pair, limb) in product.chunks_exact_mut(2).zip(x) {
            if let [low, high] = pair {
                let (sum, over) = limb.carrying_mul_add(*limb, *low, carry);
                *low = sum;
                (*high, carry) = high.carrying_add(over, Limb::ZERO);
            }
        }
        self.reduced(&mut product)
    }

    /// Montgomery's reduction: `product / R mod n`, for a product below `nR`.
    fn reduced(&self, product: &mut [Limb]) -> Limbs {
        let mut carry = Limb::ZERO;
        for index in (0..self.limbs.len()).step_by(2) {
            let (Some(to), [lowest, next, ..]) = (product.get_mut(index..), &*self.limbs) else {
                break;
            };
            if let [first, second, ..] = to {
                // What makes the first two limbs zero.
                let low = first.wrapping_mul(self.inverse);
                let (_, over) = lowest.carrying_mul_add(low, *first, Limb::ZERO);
                let (second, _) = next.carrying_mul_add(low, *second, over);
                let high = second.wrapping_mul(self.inverse);
                carry = add_rows(to, &self.limbs, [low, high], Limb::ZERO, carry);
            }
        }
        let mut result = self.zero();
        for (to, from) in result.iter_mut().zip(product.iter().skip(self.limbs.len())) {
            *to = *from;
        }
        self.subtract(&mut result, carry);
        result
    }

    /// Takes the modulus off a number of one limb more, `over` being that limb, unless it is smaller.
    fn subtract(&self, x: &mut [Limb], over: Limb) {
        let x = UintRef::new_mut(x);
        let modulus = UintRef::new(&self.limbs);
        let borrow = x.borrowing_sub_assign(modulus, Limb::ZERO);
        // It was too much if something had to be borrowed and there was no limb to borrow from.
        let too_much = Choice::from_u8_lsb((borrow.0 & 1) as u8 & !(over.0 as u8));
        x.conditional_add_assign(modulus, Limb::ZERO, too_much);
    }
}

/// Adds `number` times a number of two limbs, and what goes beyond to the two places above. Two rows of products at once
/// cost half the loads and stores, and their carries do not wait for each other. `over` comes into the first place,
/// `carry` into the first above; what goes beyond the second is returned.
fn add_rows(to: &mut [Limb], number: &[Limb], [low, high]: [Limb; 2], mut over: Limb, carry: Limb) -> Limb {
    let Some((places, [next, last, ..])) = to.split_at_mut_checked(number.len()) else {
        return Limb::ZERO;
    };
    let (mut above, mut before) = (Limb::ZERO, Limb::ZERO);
    for ([first, second], [digit, other]) in places.as_chunks_mut().0.iter_mut().zip(number.as_chunks().0) {
        let (sum, next_sum);
        (sum, over) = digit.carrying_mul_add(low, *first, over);
        (*first, above) = before.carrying_mul_add(high, sum, above);
        (next_sum, over) = other.carrying_mul_add(low, *second, over);
        (*second, above) = digit.carrying_mul_add(high, next_sum, above);
        before = *other;
    }
    let (sum, above) = before.carrying_mul_add(high, over, above);
    let carry_above;
    (*next, carry_above) = sum.carrying_add(*next, carry);
    let beyond;
    (*last, beyond) = above.carrying_add(*last, carry_above);
    beyond
}

/// From big-endian bytes.
fn limbs(bytes: &[u8], count: usize) -> Limbs {
    let mut limbs = Wiped::new(vec![Limb::ZERO; count]);
    for (limb, bytes) in limbs.iter_mut().zip(bytes.rchunks(Limb::BYTES)) {
        for byte in bytes {
            *limb = Limb((limb.0 << 8) | Word::from(*byte));
        }
    }
    limbs
}
