//! Which conformance checks are there, which clause asks for each, and what follows when one fails?
//!
//! A structure fault severs: what follows it means nothing. What is well framed and known to be illegal is refused with
//! the cause that the standard has for it. What only its content makes wrong is refused towards a station and alarmed
//! from one: one bad sensor shares an ASDU with forty good points (`monitor_strict` refuses it).

use crate::vocab::Reason;

/// What follows when a check fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The association ends.
    Severed(Reason),
    /// The ASDU is refused; towards a station the same ASDU comes back with this cause and P/N = 1.
    Refused(Reason, u8),
    /// From a station it passes and is alarmed. Towards one it is refused, with this cause where the standard has one
    /// for it, else with the negative confirmation of its own cause; P/N = 1.
    Alarmed(Reason, Option<u8>),
}

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct CheckSpec {
    /// Which.
    pub check: Check,
    /// Its id, in alarms and in the reference.
    pub id: &'static str,
    /// What must hold.
    pub what: &'static str,
    /// Where the standard says so: `101` and `104` are IEC 60870-5-101 and -104.
    pub clause: &'static str,
    /// What follows when it does not hold.
    pub fate: Fate,
}

macro_rules! checks {
    ($($check:ident $id:literal $fate:expr, $clause:literal, $what:literal;)+) => {
        /// A conformance check by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check { $(#[doc = $what] $check),+ }

        impl Check {
            /// Every check, with its clause and what follows.
            pub const TABLE: &'static [CheckSpec] =
                &[$(CheckSpec { check: Self::$check, id: $id, what: $what, clause: $clause, fate: $fate }),+];

            /// Its id.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$check => $id),+ }
            }

            /// What follows when it fails.
            pub const fn fate(self) -> Fate {
                match self { $(Self::$check => $fate),+ }
            }
        }
    };
}

use Fate::{Alarmed, Refused, Severed};
use Reason::{DirectionNotAllowed, FunctionNotAllowed, LengthMismatch, Malformed, UnitNotAllowed, ValueNotAllowed};

/// "Unknown type identification".
pub(super) const UNKNOWN_TYPE: u8 = 44;
/// "Unknown cause of transmission".
pub(super) const UNKNOWN_CAUSE: u8 = 45;
/// "Unknown common address".
pub(super) const UNKNOWN_CA: u8 = 46;
/// "Unknown information object address".
pub(super) const UNKNOWN_IOA: u8 = 47;

checks! {
    ApduStart "apdu_start" Severed(Malformed), "104 5.1", "an APDU starts with 68";
    ApduLength "apdu_length" Severed(LengthMismatch), "104 5.1", "an APDU's length is 4 to 253";
    ControlForm "control_form" Severed(LengthMismatch), "104 5.2", "an I frame carries an ASDU, S and U frames carry none";
    SReserved "s_reserved" Severed(Malformed), "104 5.3", "the reserved bits of an S frame are 0";
    UFunction "u_function" Severed(Malformed), "104 5.3", "a U frame has exactly one function, and nothing else";
    SendNumber "send_number" Severed(Malformed), "104 5.1", "N(S) follows the I frame before it";
    ReceiveNumber "receive_number" Severed(Malformed), "104 5.1", "N(R) acknowledges what was sent and nothing else";
    Stopped "stopped" Severed(Malformed), "104 5.3", "I frames come only after STARTDT";
    Role "role" Severed(DirectionNotAllowed), "104 5.3", "only a control centre sends STARTDT and STOPDT, and only a station confirms them";
    AsduShort "asdu_short" Severed(LengthMismatch), "101 7.1", "an ASDU has a whole header";
    AsduLong "asdu_long" Severed(LengthMismatch), "104 5.1", "an ASDU has at most 249 octets";
    TypeZero "type_zero" Severed(Malformed), "101 7.2.1", "type identification 0 is not used";
    NoObjects "no_objects" Severed(LengthMismatch), "101 7.2.2", "an ASDU has an information object";
    ObjectShort "object_short" Severed(LengthMismatch), "101 7.2.2", "every object that the structure qualifier counts is there";
    ObjectTrailing "object_trailing" Severed(LengthMismatch), "101 7.2.2", "nothing follows the last object that the structure qualifier counts";
    SequenceNotAllowed "sequence_not_allowed" Severed(Malformed), "101 7.3", "SQ is 1 only for types that may run in sequence";
    SequenceOdd "sequence_odd" Alarmed(Malformed, None), "101 7.3", "objects with a time tag come each with its address";
    SequenceNeeded "sequence_needed" Severed(Malformed), "101 7.3.6", "a directory comes in sequence";
    OneObject "one_object" Severed(Malformed), "101 7.3", "a type that names one object carries one";
    AddressWrap "address_wrap" Severed(Malformed), "101 7.2.5", "a sequence ends at the last information object address";
    SegmentLength "segment_length" Severed(LengthMismatch), "101 7.3.6.6", "a segment is as long as it says";
    TypeReserved "type_reserved" Refused(FunctionNotAllowed, UNKNOWN_TYPE), "101 7.2.1.1", "the type identification is one that the standard defines";
    TypePrivate "type_private" Refused(FunctionNotAllowed, UNKNOWN_TYPE), "101 7.2.1.1", "type identifications 128 to 255 are nobody's here";
    TypeDirection "type_direction" Refused(DirectionNotAllowed, UNKNOWN_TYPE), "101 7.2.1.1", "the type comes from this side";
    CauseZero "cause_zero" Alarmed(Malformed, Some(UNKNOWN_CAUSE)), "101 7.2.3", "cause of transmission 0 is not used";
    CauseReserved "cause_reserved" Alarmed(Malformed, Some(UNKNOWN_CAUSE)), "101 7.2.3", "the cause of transmission is one that the standard defines";
    CauseNotForType "cause_not_for_type" Alarmed(Malformed, Some(UNKNOWN_CAUSE)), "101 8", "the type carries this cause in this direction";
    AddressZero "ca_zero" Refused(UnitNotAllowed, UNKNOWN_CA), "101 7.2.4", "common address 0 is not used";
    BroadcastType "ca_broadcast" Refused(UnitNotAllowed, UNKNOWN_CA), "101 7.2.4", "only interrogations, clock and reset go to the global address 65535";
    NegativeActivation "negative_activation" Alarmed(Malformed, None), "101 7.2.3", "P/N is 1 only in what confirms";
    UnknownIsNegative "unknown_is_negative" Alarmed(Malformed, None), "101 7.2.3", "causes 44 to 47 are negative";
    IoaZero "ioa_zero" Alarmed(Malformed, Some(UNKNOWN_IOA)), "101 7.2.5", "information object address 0 names no point";
    IoaNotZero "ioa_not_zero" Alarmed(Malformed, Some(UNKNOWN_IOA)), "101 7.3", "a type without a point has information object address 0";
    SingleCommandReserved "sco_reserved" Alarmed(Malformed, None), "101 7.2.6.15", "the reserved bit of a single command is 0";
    DoubleCommandState "dco_state" Alarmed(ValueNotAllowed, None), "101 7.2.6.16", "a double command is on or off";
    StepCommandState "rco_state" Alarmed(ValueNotAllowed, None), "101 7.2.6.17", "a step command is lower or higher";
    CommandQualifier "qu_reserved" Alarmed(Malformed, None), "101 7.2.6.26", "the qualifier of a command is not a reserved one";
    SetPointQualifier "ql_reserved" Alarmed(Malformed, None), "101 7.2.6.39", "the qualifier of a set-point is not a reserved one";
    SetPointFinite "setpoint_finite" Alarmed(ValueNotAllowed, None), "101 7.2.6.8", "a set-point is a finite number";
    InterrogationQualifier "qoi_reserved" Alarmed(Malformed, None), "101 7.2.6.22", "the qualifier of interrogation is not a reserved one";
    CounterRequest "rqt_reserved" Alarmed(Malformed, None), "101 7.2.6.23", "the request of a counter interrogation is not a reserved one";
    ResetQualifier "qrp_reserved" Alarmed(Malformed, None), "101 7.2.6.27", "the qualifier of reset process is not a reserved one";
    TestPattern "test_pattern" Alarmed(Malformed, None), "101 7.2.6.14", "the fixed test pattern is AA 55";
    DelayRange "delay_range" Alarmed(Malformed, None), "101 7.2.6.20", "a delay is below one minute";
    ElapsedRange "elapsed_range" Alarmed(Malformed, None), "101 7.2.6.20", "an elapsed time is below one minute";
    ParameterKind "kpa_reserved" Alarmed(Malformed, None), "101 7.2.6.24", "the kind of a parameter is not a reserved one";
    ParameterFinite "parameter_finite" Alarmed(ValueNotAllowed, None), "101 7.2.6.8", "a parameter is a finite number";
    ParameterActivation "qpa_reserved" Alarmed(Malformed, None), "101 7.2.6.25", "the qualifier of parameter activation is not a reserved one";
    InitCause "coi_reserved" Alarmed(Malformed, None), "101 7.2.6.21", "the cause of initialisation is not a reserved one";
    SingleReserved "siq_reserved" Alarmed(Malformed, None), "101 7.2.6.1", "the reserved bits of a single point are 0";
    DoubleReserved "diq_reserved" Alarmed(Malformed, None), "101 7.2.6.2", "the reserved bits of a double point are 0";
    QualityReserved "qds_reserved" Alarmed(Malformed, None), "101 7.2.6.3", "the reserved bits of a quality are 0";
    ProtectionReserved "qdp_reserved" Alarmed(Malformed, None), "101 7.2.6.4", "the reserved bits of a protection quality are 0";
    EventReserved "sep_reserved" Alarmed(Malformed, None), "101 7.2.6.10", "the reserved bit of a protection event is 0";
    StartReserved "spe_reserved" Alarmed(Malformed, None), "101 7.2.6.11", "the reserved bits of protection starts are 0";
    OutputReserved "oci_reserved" Alarmed(Malformed, None), "101 7.2.6.12", "the reserved bits of output circuits are 0";
    MeasuredFinite "measured_finite" Alarmed(Malformed, None), "101 7.2.6.8", "a measured value is a finite number";
    TimeMilliseconds "time_ms" Alarmed(Malformed, None), "101 7.2.6.18", "milliseconds are 0 to 59999";
    TimeMinute "time_minute" Alarmed(Malformed, None), "101 7.2.6.18", "minutes are 0 to 59";
    TimeHour "time_hour" Alarmed(Malformed, None), "101 7.2.6.18", "hours are 0 to 23";
    TimeDay "time_day" Alarmed(Malformed, None), "101 7.2.6.18", "the month has this day";
    TimeMonth "time_month" Alarmed(Malformed, None), "101 7.2.6.18", "months are 1 to 12";
    TimeYear "time_year" Alarmed(Malformed, None), "101 7.2.6.18", "years are 0 to 99";
    TimeReserved "time_reserved" Alarmed(Malformed, None), "101 7.2.6.18", "the reserved bits of a time are 0";
    CommandTime "command_time" Alarmed(Malformed, None), "104 8", "a command's time is valid";
    ClockTime "clock_time" Alarmed(Malformed, None), "101 7.3.4.4", "a clock command's time is valid";
}
