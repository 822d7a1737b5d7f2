//! Which codes do faults and warnings have? A code keeps its meaning for good; a retired one is not used again.

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal;)+) => {
        $(#[doc = $title] pub(crate) const $name: &str = $code;)+

        /// Every code with what it stands for, in order: the reference is made from it.
        pub const CODES: &[(&str, &str)] = &[$(($code, $title)),+];
    };
}

codes! {
    UNREADABLE = "E001", "a file cannot be read";
    SYNTAX = "E002", "a file is not TOML";
    SCHEMA = "E003", "the schema is missing or not 1";
    INCLUDE = "E004", "an include cannot be followed";
    TOO_MUCH = "E005", "too much of something";
    UNKNOWN_KEY = "E010", "an unknown key or table";
    WRONG_KIND = "E011", "a value of the wrong kind";
    OUT_OF_BOUNDS = "E012", "a value out of its bounds, or not one of the words";
    MISSING = "E013", "a required key or table is missing";
    DUPLICATE = "E014", "something is defined twice";
    BAD_NAME = "E015", "a name that is not [a-z0-9-]{1,32}";
    SHARED_NAME = "E016", "an identity and a role share a name";
    DURATION = "E020", "a duration that cannot be read";
    RATE = "E021", "a rate that cannot be read";
    NETWORK = "E022", "a network that cannot be read";
    ADDRESS = "E023", "an address that cannot be read";
    TIMEZONE = "E024", "an unknown time zone";
    WINDOW = "E025", "a schedule window or date that cannot be read";
    PATTERN = "E026", "a name pattern or match that cannot be read";
    UNKNOWN_NAME = "E030", "a name that nothing has";
    NO_FILE = "E031", "a named file does not exist or cannot be read";
    WORD = "E040", "a word that a sentence cannot have there";
    INCOMPLETE = "E041", "a sentence lacks something";
    REVERSED = "E042", "a range ends before it starts";
    NUMBER = "E043", "a number in a sentence that cannot be read or is out of bounds";
    ORDER = "E044", "a clause stands twice or out of its order";
    CONFLICT = "E045", "clauses that do not go together";
    ADDRESSING = "E046", "an address that the addressing cannot mean";
    UNKNOWN_WHO = "E047", "a rule for somebody who does not exist";
    RULE = "E048", "a rule that cannot be used";
    OTHER_PROTOCOL = "E049", "something of another protocol";
    SNI = "E050", "conduits of one listener cannot be told apart";
    PLAIN_MATCH = "E051", "an identity that its listener cannot recognise";
    NO_AUTHORITY = "E052", "an authority that does not fit";
    SAME_MATCH = "E053", "two identities are recognised by the same thing";
    SAME_BIND = "E054", "one address is bound twice";
    OTHER_ZONE = "E055", "a conduit starts in another zone than its listener";
    PLAINTEXT = "E056", "plain TCP without saying so";
    UPSTREAM = "E057", "an upstream that cannot be used";
    SAFETY = "E058", "a write into a safety zone";
    UNTRUSTED = "E059", "a conduit starts in an untrusted zone";
    WILDCARD = "E060", "a wildcard identity in a zone of SL-T 3 or higher";
    METRICS = "E061", "metrics are open to a network without client certificates";
    SERIES = "E062", "more metric series than allowed";
    EXPECT = "E063", "a test expects what cannot be";
    KEYS_CLASH = "E064", "keys of a protocol's table that do not go together";
    KEYS = "E065", "a certificate, key or revocation list that cannot be used";
    NOT_SERVED = "E090", "known to the language, not served by this version yet";
    STEP_OPEN = "W001", "a step that also limits the way to safety";
    ODD_UNIT = "W002", "units that the protocol reserves";
    OLD_TLS = "W003", "TLS 1.2 is accepted";
    OPAQUE = "W004", "this function can stop the device, or blind who watches it";
    NO_CRL = "W005", "an authority without revocations";
    OVERLAP = "W006", "rules that overlap";
    NEVER_MATCHES = "W007", "a rule that no peer of the conduit meets";
    NOBODY = "W008", "a conduit that nobody may use";
    NO_NAMES = "W009", "an authority that may vouch for anything";
    MANY_PENDING = "W010", "several requests outstanding on one device connection";
    OPEN_KEY = "W011", "a key file that others can read";
    UNUSED = "W012", "something that nothing uses";
    SOURCE_OUTSIDE = "W013", "an identity whose source is outside its zone";
    KEY_IDLE = "W014", "a key of a protocol's table that does nothing here";
    KEYS_ELSEWHERE = "W015", "a key that can be looked at only where the service runs";
    JUMP = "W016", "a conduit joins the enterprise to the control system past level 3.5";
    PLAIN_PEER = "W020", "peers come without a certificate, in the clear";
    PLAIN_DEVICE = "W021", "the way to the device is in the clear";
    MANY_PEERS = "W022", "an identity that many peers can be";
    ANYBODY = "W023", "a rule lets anybody change something";
    NOT_ENFORCED = "W024", "a conduit whose rules are not enforced";
    ANY_SOURCE = "W025", "a zone whose peers may come from anywhere";
    UNWATCHED = "W026", "nothing watches the gateway";
    UNTESTED = "W027", "no test says what a conduit must refuse";
    NOT_DURABLE = "W028", "a change may be done before its record is on disk";
    UNRECORDED = "W029", "something may be done without a record that stays";
    KEPT_OPEN = "W030", "a fault of our own leaves a conduit open";
    UNBOUNDED = "W031", "no bucket of their own bounds messages that change something";
    KEY_FILE = "W032", "a key lies in a file";
}
