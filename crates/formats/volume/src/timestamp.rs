//! FAT's idea of time.

/// A date and a time of day as a directory entry holds them: from 1980 to 2107, in steps of two
/// seconds. Written as UTC; readers take it for their own local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    pub(crate) time: u16,
    pub(crate) date: u16,
}

/// 1980-01-01 00:00:00, the first second that FAT can hold.
const FIRST_UNIX_SECONDS: u64 = 315_532_800;
/// 2107-12-31 23:59:59, the last one.
const LAST_UNIX_SECONDS: u64 = 4_354_819_199;
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

impl Timestamp {
    /// From seconds since 1970. What lies outside FAT's years becomes the nearest end.
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Self {
        let seconds = seconds.clamp(FIRST_UNIX_SECONDS, LAST_UNIX_SECONDS) - FIRST_UNIX_SECONDS;
        let of_day = seconds % SECONDS_PER_DAY;
        let time = (of_day / 3600) << 11 | (of_day / 60 % 60) << 5 | (of_day % 60 / 2);
        let date = date(seconds / SECONDS_PER_DAY);
        // Both fit 16 bits: the years span 7 bits, the months 4, the days 5.
        let [time_0, time_1, date_0, date_1, ..] = (date << 16 | time).to_le_bytes();
        Self {
            time: u16::from_le_bytes([time_0, time_1]),
            date: u16::from_le_bytes([date_0, date_1]),
        }
    }
}

/// The date field for a number of days since 1980-01-01.
fn date(mut days: u64) -> u64 {
    let mut year = 1980;
    while days >= 365 + leap_days(year) {
        days -= 365 + leap_days(year);
        year += 1;
    }
    let february = 28 + leap_days(year);
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in months {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year - 1980) << 9 | month << 5 | (days + 1)
}

/// Between 1980 and 2107 only 2100 breaks the rule of four.
fn leap_days(year: u64) -> u64 {
    u64::from(year.is_multiple_of(4) && year != 2100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(unix_seconds: u64) -> [u16; 6] {
        let Timestamp { time, date } = Timestamp::from_unix_seconds(unix_seconds);
        let day = [1980 + (date >> 9), date >> 5 & 15, date & 31];
        let clock = [time >> 11, time >> 5 & 63, (time & 31) * 2];
        [day[0], day[1], day[2], clock[0], clock[1], clock[2]]
    }

    /// Expected values from `date -u -d @SECONDS`.
    #[test]
    fn seconds_become_fields() {
        assert_eq!(fields(1_709_210_096), [2024, 2, 29, 12, 34, 56]);
        assert_eq!(fields(1_735_689_599), [2024, 12, 31, 23, 59, 58]);
        assert_eq!(fields(4_107_542_400), [2100, 3, 1, 0, 0, 0]);
        assert_eq!(fields(951_782_400), [2000, 2, 29, 0, 0, 0]);
    }

    #[test]
    fn times_outside_become_the_nearest_end() {
        assert_eq!(fields(0), [1980, 1, 1, 0, 0, 0]);
        assert_eq!(fields(u64::MAX), [2107, 12, 31, 23, 59, 58]);
    }
}
