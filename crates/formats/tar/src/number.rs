//! Numbers in headers and in pax records.

/// A field of a header: octal digits between spaces, up to a NUL, a space or the end of the field;
/// or, with the top bit set, a big-endian number in two's complement (GNU, "base-256"). A blank
/// field is 0. `None` where it is neither, or beyond 64 bits.
pub(crate) fn parse_field(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => parse_base256(field),
        _ => parse_octal(field),
    }
}

fn parse_octal(field: &[u8]) -> Option<i64> {
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|byte| matches!(byte, 0 | b' '));
    let digits = &digits[..end.unwrap_or(digits.len())];
    digits.iter().try_fold(0i64, |value, digit| {
        let digit = char::from(*digit).to_digit(8)?;
        value.checked_mul(8)?.checked_add(digit.into())
    })
}

/// The first byte is 0x80 for a positive number and 0xff for a negative one: bit 6 is the sign.
fn parse_base256(field: &[u8]) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    let start = i64::from(first & 0x3f) - i64::from(first & 0x40);
    rest.iter().try_fold(start, |value, byte| {
        value.checked_mul(256)?.checked_add((*byte).into())
    })
}

/// Decimal digits, nothing else.
pub(crate) fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

/// The time of a pax record, such as `-1.5`, rounded down to whole seconds as `stat` gives it.
pub(crate) fn parse_time(text: &[u8]) -> Option<i64> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &[][..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let whole = i64::try_from(parse_decimal(whole)?).ok()?;
    let rounds_down = negative && fraction.iter().any(|digit| *digit != b'0');
    Some(if negative { -whole } else { whole } - i64::from(rounds_down))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_octal_or_base_256() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"  644\0x7", Some(0o644)),
            (b"77777777", Some(0o77_777_777)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"0000648\0", None),
            (b"-000001\0", None),
            (b"+1", None),
            (b"\x80\0\0\0\0\x20\0\0", Some(0x20_0000)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (
                b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
                Some(i64::MAX),
            ),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", Some(i64::MIN)),
            (b"\xff\xff\xff\x00\x80\0\0\0\0\0\0\0", None),
            (b"", Some(0)),
        ] {
            assert_eq!(parse_field(field), value, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn times_are_rounded_down() {
        for (text, value) in [
            ("0", Some(0)),
            ("1700000000.999999999", Some(1_700_000_000)),
            ("1.", Some(1)),
            ("-1", Some(-1)),
            ("-1.000", Some(-1)),
            ("-1.5", Some(-2)),
            ("-0.25", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775807.5", Some(i64::MIN)),
            ("", None),
            ("-", None),
            (".5", None),
            ("1.x", None),
            ("1e5", None),
            ("--1", None),
            ("+1", None),
        ] {
            assert_eq!(parse_time(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn decimals_have_nothing_but_digits() {
        assert_eq!(parse_decimal(b"18446744073709551615"), Some(u64::MAX));
        for text in ["", "18446744073709551616", "-1", "+1", " 1", "1 ", "0x1"] {
            assert_eq!(parse_decimal(text.as_bytes()), None, "{text:?}");
        }
    }
}
