//! Reads and writes the little-endian fields that all of the store's formats are made of.

/// Takes fields from the front of a slice; every method returns nothing when the slice is too short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    /// Takes a 32-bit count of items that each need at least `item_bytes`, so that no count makes us reserve more than there is.
    pub(crate) fn count(&mut self, item_bytes: usize) -> Option<usize> {
        let count = usize::try_from(self.u32()?).ok()?;
        (count.checked_mul(item_bytes)? <= self.0.len()).then_some(count)
    }
}

/// Overwrites a field at a place that is known to exist.
pub(crate) fn patch(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes
        .get_mut(at..at + field.len())
        .expect("the caller wrote a placeholder there")
        .copy_from_slice(field);
}

/// Narrows a length that a bound in `limits` keeps small.
pub(crate) fn length_u32(length: usize) -> u32 {
    u32::try_from(length).expect("limits keep every length below 4 GiB")
}

/// Widens a length.
pub(crate) const fn length_u64(length: usize) -> u64 {
    length as u64
}

/// Narrows a file length or offset to what memory can hold.
pub(crate) fn to_usize(value: u64) -> usize {
    usize::try_from(value).expect("the store runs on 64-bit machines")
}

const _: () = assert!(
    size_of::<usize>() == 8,
    "offsets in files are used as lengths in memory"
);
