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
