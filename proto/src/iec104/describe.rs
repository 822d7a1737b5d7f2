//! Which fields do `decode` and `replay` show of an ASDU? (language.md section 7)

use super::{
    asdu::{Asdu, Direction, Object},
    content::{Content, Value},
    request::Request,
    response::Response,
    types::Kind,
};
use crate::describe::{Described, Each, Field};

impl Request<'_> {
    /// One deed an information object, with the header's fields beside the object's own.
    pub(crate) fn describe(&self, each: Each<'_>) {
        for object in self.asdu.objects() {
            each(fields(&self.asdu, object, Described::of(self.deed(object))));
        }
    }
}

impl Response<'_> {
    pub(crate) fn describe(&self, each: Each<'_>) {
        Request::new(self.asdu).describe(each);
    }
}

/// An APDU of a station that nothing was seen to ask for: it speaks for itself.
pub(super) fn alone(frame: &[u8], each: Each<'_>) -> bool {
    let Some((_, asdu)) = frame.split_at_checked(APCI) else { return false };
    let Ok(asdu) = Asdu::read(asdu, Direction::Monitor) else { return false };
    Request::new(asdu).describe(each);
    true
}

/// Start, length and four octets of control field.
const APCI: usize = 6;

const fn has_states(kind: Kind) -> bool {
    matches!(kind, Kind::Double | Kind::DoubleCommand | Kind::StepCommand)
}

fn fields<'a>(asdu: &Asdu<'_>, object: Object<'a>, one: Described<'a>) -> Described<'a> {
    let content = Content::of(asdu.spec().kind, object.element);
    let mut one = one
        .int("type_id", asdu.type_id())
        .int("cause", asdu.cause())
        .with("negative", Field::Flag(asdu.is_negative()))
        .with("test", Field::Flag(asdu.is_test()))
        .int("originator", asdu.originator())
        .int("ca", asdu.ca())
        .int("ioa", object.ioa);
    one = match content.value {
        Value::None => one,
        // Of what has four states, the state on the wire: 1 is off or lower, 2 on or higher.
        Value::Switch(on) if has_states(asdu.spec().kind) => one.int("value", if on { 2 } else { 1 }),
        Value::Switch(on) => one.int("value", on),
        Value::Between(state) => one.int("value", state),
        Value::Whole(whole) => one.int("value", whole),
        Value::Real(real) => one.with("value", Field::Real(real.into())),
    };
    if let Some(qualifier) = content.qualifier {
        one = one.int("qualifier", qualifier).with("select", Field::Flag(content.selects));
    }
    if let Some(quality) = content.quality {
        one = one.int("quality", quality);
    }
    match asdu.anomaly() {
        Some(check) => one.with("anomaly", Field::Text(check.id())),
        None => one,
    }
}

#[cfg(test)]
mod tests {
    use std::{format, string::String, vec::Vec};

    use super::*;
    use crate::iec104::conformance::hex;

    fn told(bytes: &str, direction: Direction) -> Vec<String> {
        let (bytes, mut all) = (hex(bytes), Vec::new());
        let asdu = Asdu::read(&bytes, direction).expect("an ASDU");
        Request::new(asdu).describe(&mut |one| {
            let shown = one.fields.iter().map(|(name, field)| match field {
                Field::Int(int) => format!("{name} {int}"),
                Field::Real(real) => format!("{name} {real}"),
                Field::Flag(flag) => format!("{name} {flag}"),
                Field::Text(text) => format!("{name} {text}"),
                other => panic!("{other:?}"),
            });
            all.push(shown.collect::<Vec<_>>().join(", "));
        });
        all
    }

    #[test]
    fn each_object_is_told_with_the_header_in_the_terms_of_the_wire() {
        let (control, monitor) = (Direction::Control, Direction::Monitor);
        for (bytes, direction, lines) in [
            (
                "2e0186 07 0100 e90300 8a",
                control,
                &[
                    "type_id 46, cause 6, negative false, test true, originator 7, ca 1, ioa 1001, value 2, qualifier 2, \
                   select true",
                ][..],
            ),
            (
                "2e0106 00 0100 e90300 01",
                control,
                &[
                    "type_id 46, cause 6, negative false, test false, originator 0, ca 1, ioa 1001, value 1, qualifier 0, \
                   select false",
                ],
            ),
            (
                "098214000200 010000 0040 00 0080 91",
                monitor,
                &[
                    "type_id 9, cause 20, negative false, test false, originator 0, ca 2, ioa 1, value 0.5, quality 0",
                    "type_id 9, cause 20, negative false, test false, originator 0, ca 2, ioa 2, value -1, quality 145",
                ],
            ),
            (
                "010103000100 010000 03",
                monitor,
                &[
                    "type_id 1, cause 3, negative false, test false, originator 0, ca 1, ioa 1, value 1, quality 2, anomaly \
                   siq_reserved",
                ],
            ),
            (
                "640147000100 000000 14",
                monitor,
                &[
                    "type_id 100, cause 7, negative true, test false, originator 0, ca 1, ioa 0, qualifier 20, select false",
                ],
            ),
        ] {
            assert_eq!(told(bytes, direction), lines, "{bytes}");
        }
    }

    #[test]
    fn what_nobody_asked_for_speaks_for_itself() {
        let mut count = 0;
        assert!(alone(&hex("680e00000000010103000100010000 01"), &mut |_| count += 1));
        assert!(!alone(&hex("680401000000"), &mut |_| count += 1) && !alone(&[0x68], &mut |_| count += 1));
        assert_eq!(count, 1);
    }
}
