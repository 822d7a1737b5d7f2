//! Which moment does a time tag name, and is it one?

use super::checks::Check;

/// The octets of CP24Time2a or CP56Time2a.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time<'b>(pub(super) &'b [u8]);

/// The valid flag is the highest bit of the minute.
const INVALID: u8 = 0x80;

impl Time<'_> {
    /// Whether the clock that made it vouches for it.
    pub(super) fn is_valid(self) -> bool {
        self.0.get(2).is_some_and(|minute| minute & INVALID == 0)
    }

    /// Tells every field that is none. A tag that says of itself that it is invalid may hold anything but reserved bits.
    pub(super) fn check(self, fault: &mut dyn FnMut(Check)) {
        let (millis, minute) = match *self.0 {
            [low, high, minute, ..] => (u16::from_le_bytes([low, high]), minute),
            _ => return,
        };
        let mut reserved = minute & 0x40 != 0;
        let valid = self.is_valid();
        let mut unless = |holds: bool, check| {
            if valid && !holds {
                fault(check);
            }
        };
        unless(millis <= 59_999, Check::TimeMilliseconds);
        unless(minute & 0x3F <= 59, Check::TimeMinute);
        if let [_, _, _, hour, day, month, year] = *self.0 {
            reserved |= hour & 0x60 != 0 || month & 0xF0 != 0 || year & 0x80 != 0;
            let (hour, date, month, year) = (hour & 0x1F, day & 0x1F, month & 0x0F, year & 0x7F);
            unless(hour <= 23, Check::TimeHour);
            unless((1..=12).contains(&month), Check::TimeMonth);
            unless((1..=days(month, year)).contains(&date), Check::TimeDay);
            unless(year <= 99, Check::TimeYear);
        }
        if reserved {
            fault(Check::TimeReserved);
        }
    }
}

/// How many days the month has; of a month that is none, the most.
const fn days(month: u8, year: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        // The years are 2000 to 2099, of which every fourth is a leap year.
        2 if year.trailing_zeros() >= 2 => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn faults(time: &[u8]) -> Vec<Check> {
        let mut all = Vec::new();
        Time(time).check(&mut |check| all.push(check));
        all
    }

    #[test]
    fn a_date_is_a_date() {
        // 2024-02-29 23:59:59.999, Thursday, summer time.
        assert_eq!(faults(&[0x5F, 0xEA, 59, 0x80 | 23, 4 << 5 | 29, 2, 24]), []);
        assert_eq!(faults(&[0x5F, 0xEA, 59, 23, 29, 2, 23]), [Check::TimeDay]);
        assert_eq!(faults(&[0x60, 0xEA, 60, 24, 0, 13, 100]).len(), 6);
        assert_eq!(faults(&[0, 0, 0x40]), [Check::TimeReserved]);
        assert_eq!(faults(&[0xFF, 0xFF, 59]), [Check::TimeMilliseconds]);
        for reserved in [[0, 0, 0, 0x20, 1, 1, 24], [0, 0, 0, 0, 1, 0x11, 24], [0, 0, 0, 0, 1, 1, 0x80 | 24]] {
            assert_eq!(faults(&reserved), [Check::TimeReserved], "{reserved:02x?}");
        }
        assert_eq!(faults(&[0, 0]), [], "no time");
    }

    #[test]
    fn an_invalid_time_says_nothing_but_its_reserved_bits_count() {
        assert!(!Time(&[0; 0]).is_valid());
        assert_eq!(faults(&[0xFF, 0xFF, 0xBF, 0x1F, 0, 0, 0x7F]), []);
        assert_eq!(faults(&[0xFF, 0xFF, 0xBF, 0x7F, 0, 0, 0x7F]), [Check::TimeReserved]);
    }
}
