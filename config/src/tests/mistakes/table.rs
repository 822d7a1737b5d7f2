//! What do engineers write wrong, where is it, and what should they have written?
//!
//! Both were written down before anybody looked at what the program says. `§` marks the place at which the first finding
//! must begin; it is taken out before the text is read. The last column must stand in that finding's help.

use super::Mistake;

/// The conduit that stands in a file of its own.
const VALVE: &str = "conduits.d/valve.toml";

const fn main(name: &'static str, edits: &'static [(&'static str, &'static str)], fix: &'static str) -> Mistake {
    Mistake { name, file: "sluicegate.toml", edits, fix }
}

const fn valve(name: &'static str, edits: &'static [(&'static str, &'static str)], fix: &'static str) -> Mistake {
    Mistake { name, file: VALVE, edits, fix }
}

/// The text of a file.
pub(super) const TOML: &[Mistake] = &[
    main("quotes_forgotten", &[("\"north-pumping\"", "§north-pumping")], "\"north-pumping\""),
    main("closing_quote_forgotten", &[("\"10.30.0.2:802\"", "\"10.30.0.2:802§")], "close it with `\"`"),
    main("comma_forgotten", &[("0-99\",\n  \"hmi write holding 40", "0-99\"\n  §\"hmi write holding 40")], "a comma"),
    main("bracket_of_a_table_forgotten", &[("[budgets.starts]", "[budgets.starts§")], "`]`"),
    main("bracket_of_a_list_forgotten", &[("90-99\"]", "90-99\"§")], "`]`"),
    main("colon_for_the_sign_of_equality", &[("level = 3", "level§: 3")], "`=`"),
    main("typographic_quotes", &[("name = \"north-pumping\"", "name = §“north-pumping”")], "\"north-pumping\""),
    main("true_like_in_python", &[("idle_timeout = \"5m\"", "essential = §True")], "true"),
    main("comment_like_in_c", &[("level = 1", "§// the cell\nlevel = 1")], "#"),
    main("leading_zero", &[("sl_target = 2", "sl_target = §02")], "2"),
    main("backslash_of_a_path", &[("pki/gateway.crt", "C:§\\pki\\gateway.crt")], "'"),
    main("key_twice", &[("units = [1]", "units = [1]\n§units = [2]")], "one"),
    main("table_twice", &[("[zones.cell-1]", "[zones.§site-ops]")], "one"),
    valve("conduit_in_two_files", &[("[conduits.valve]", "[conduits.§pump-control]")], "rename"),
    main("include_of_nothing", &[("\"conduits.d/*.toml\"", "§\"conduit.d/*.toml\"")], "conduits.d"),
];

/// Keys and their values.
pub(super) const KEYS: &[Mistake] = &[
    main("transport_in_capitals", &[("\"tls\"", "§\"TLS\"")], "did you mean `tls`?"),
    main("protocol_in_capitals", &[("protocol = \"modbus\"", "protocol = §\"Modbus\"")], "did you mean `modbus`?"),
    main(
        "protocol_table_mistyped",
        &[("[conduits.pump-control.modbus]", "[conduits.pump-control.§mobdus]")],
        "did you mean `modbus`?",
    ),
    main(
        "protocol_table_in_capitals",
        &[("[conduits.pump-control.modbus]", "[conduits.pump-control.§MODBUS]")],
        "did you mean `modbus`?",
    ),
    main("zone_in_capitals", &[("to = \"cell-1\"", "to = §\"CELL-1\"")], "cell-1"),
    main("schema_forgotten", &[("schema = 1\n", "§")], "schema = 1"),
    main("key_misspelt", &[("upstream = ", "§upsteam = ")], "`upstream`"),
    main("key_under_the_wrong_header", &[("units = [1]", "units = [1]\n§mode = \"monitor\"")], "[conduits.NAME]"),
    main("table_in_the_singular", &[("[zones.cell-1]", "[§zone.cell-1]")], "`zones`"),
    main("key_with_a_hyphen", &[("idle_timeout", "§idle-timeout")], "`idle_timeout`"),
    main("one_for_a_list", &[("units = [1]", "units = §1")], "[1]"),
    main("port_alone", &[("bind = \"10.30.0.2:802\"", "bind = §802")], "10.30.0.2:802"),
    main("number_in_quotes", &[("level = 3", "level = §\"3\"")], "without quotes"),
    main("yes_for_true", &[("idle_timeout = \"5m\"", "essential = §\"yes\"")], "true"),
    main("time_as_a_number", &[("\"5m\"", "§300")], "\"300s\""),
    main("time_without_its_unit", &[("\"5m\"", "§\"300\"")], "300s"),
    main("minutes_as_min", &[("\"5m\"", "§\"5min\"")], "5m"),
    main("time_with_a_blank", &[("\"5m\"", "§\"500 ms\"")], "500ms"),
    main("rate_in_words", &[("\"50/s burst 30\"", "§\"50 per second\"")], "50/s"),
    main("rate_in_m", &[("\"50/s burst 30\"", "§\"50/m\"")], "50/min"),
    main("bytes_in_kb", &[("\"256KiB/s\"", "§\"256KB/s\"")], "256KiB/s"),
    main(
        "unit_missing",
        &[("[conduits.pump-control.modbus]\nunits = [1]", "[conduits.pump-control.§modbus]")],
        "units = [1]",
    ),
    main("unit_of_nine_bits", &[("units = [1]", "units = [1, §256]")], "0 to 255"),
    main("level_of_no_model", &[("level = 3", "level = §7")], "0 to 5"),
    main("word_not_of_the_list", &[("idle_timeout = \"5m\"", "on_deny = §\"reject\"")], "refuse"),
    main("protocol_with_its_transport", &[("protocol = \"modbus\"", "protocol = §\"modbus-tcp\"")], "modbus"),
    main(
        "name_with_an_underscore",
        &[("[zones.cell-1]", "[zones.§cell_1]"), ("to = \"cell-1\"", "to = \"cell_1\"")],
        "cell-1",
    ),
    main("netmask", &[("\"10.30.0.0/24\"", "§\"10.30.0.0/255.255.255.0\"")], "10.30.0.0/24"),
    main("address_for_a_network", &[("\"10.30.0.0/24\"", "§\"10.30.0.5/24\"")], "10.30.0.0/24"),
    main("bind_without_a_port", &[("\"10.30.0.2:802\"", "§\"10.30.0.2\"")], "10.30.0.2:802"),
    main("bind_to_a_name", &[("\"10.30.0.2:802\"", "§\"localhost:802\"")], "127.0.0.1:802"),
    main("upstream_without_a_port", &[("\"10.10.1.20:502\"", "§\"10.10.1.20\"")], "10.10.1.20:502"),
    main("upstream_as_a_url", &[("\"10.10.1.20:502\"", "§\"tcp://10.10.1.20:502\"")], "10.10.1.20:502"),
    main("budget_with_a_burst", &[("\"6/h\"", "§\"6/h burst 2\"")], "write 6/h"),
    main("time_zone_as_a_city", &[("\"Europe/Oslo\"", "§\"Oslo\"")], "Europe/Oslo"),
    main("window_in_hours", &[("\"mon-fri 07:00-17:00\"", "§\"mon-fri 7-17\"")], "07:00-17:00"),
];

/// Names, and what is behind them.
pub(super) const NAMES: &[Mistake] = &[
    main(
        "identity_called_like_a_role",
        &[("[identities.historian]", "[identities.§viewer]"), ("roles = [\"viewer\"]", "roles = []")],
        "rename",
    ),
    main("zone_misspelt", &[("to = \"cell-1\"", "to = §\"cell1\"")], "`cell-1`"),
    main("authority_misspelt", &[("authorities = [\"plant\"]", "authorities = [§\"plnat\"]")], "`plant`"),
    main("certificate_misspelt", &[("certificate = \"gateway\"", "certificate = §\"gatway\"")], "`gateway`"),
    main("listener_misspelt", &[("listener = \"ot\"", "listener = §\"to\"")], "`ot`"),
    main("role_misspelt", &[("[\"hmi\"]", "[§\"hni\"]")], "`hmi`"),
    main("rule_for_a_role_misspelt", &[("\"viewer read", "\"§viever read")], "`viewer`"),
    main("schedule_misspelt", &[("during day-shift", "during §dayshift")], "`day-shift`"),
    main("budget_misspelt", &[("spends starts", "spends §start")], "`starts`"),
    main("policy_of_nobody", &[("idle_timeout = \"5m\"", "policies = [§\"pumps\"]")], "[policies.pumps]"),
    main("certificate_file_misspelt", &[("\"pki/gateway.crt\"", "§\"pki/gatway.crt\"")], "gateway.crt"),
    main("key_file_in_another_folder", &[("\"pki/gateway.key\"", "§\"gateway.key\"")], "pki/gateway.key"),
    main("match_by_the_common_name", &[("match = { uri =", "match = { §cn =")], "uri, dns or spki"),
    main("match_by_two", &[("match = { uri", "§match = { dns = \"scada-1.north-pumping\", uri")], "one of"),
    main(
        "two_identities_with_one_match",
        &[
            ("north-pumping/historian\" }", "north-pumping/scada-1\" }"),
            (
                "match = { uri = \"spiffe://north-pumping/scada-1\" }\nroles = [\"viewer\"]",
                "§match = { uri = \"spiffe://north-pumping/scada-1\" }\nroles = [\"viewer\"]",
            ),
        ],
        "of its own",
    ),
    main(
        "identity_without_an_authority",
        &[(
            "[identities.scada-1]\nzone = \"site-ops\"\nauthority = \"plant\"",
            "[identities.§scada-1]\nzone = \"site-ops\"",
        )],
        "authority = \"plant\"",
    ),
    main(
        "test_of_an_unknown_reason",
        &[("\"deny address_not_allowed\"", "§\"deny adress_not_allowed\"")],
        "`address_not_allowed`",
    ),
    main("test_of_an_unknown_conduit", &[("on = \"pump-control\"", "on = §\"pump\"")], "pump-control"),
];

/// Where peers arrive, and whereto they go.
pub(super) const PLANT: &[Mistake] = &[
    main("plain_tcp_without_saying_so", &[("transport = \"tls\"", "transport = §\"tcp\"")], "allow_plaintext = true"),
    main(
        "tls_without_a_certificate",
        &[("transport = \"tls\"\ncertificate = \"gateway\"", "transport = §\"tls\"")],
        "certificate = \"gateway\"",
    ),
    main(
        "tls_without_authorities",
        &[("transport = \"tls\"", "transport = §\"tls\""), ("authorities = [\"plant\"]", "")],
        "authorities = [\"plant\"]",
    ),
    main(
        "server_name_missing",
        &[("[conduits.pump-control]", "[conduits.§pump-control]"), ("sni = \"pump-control\"\n", "")],
        "sni = \"pump-control\"",
    ),
    valve("server_name_of_another", &[("sni = \"valve\"", "sni = §\"pump-control\"")], "of its own"),
    main("conduit_from_another_zone", &[("from = \"site-ops\"", "from = §\"cell-1\"")], "from = \"site-ops\""),
    main(
        "one_port_twice",
        &[
            ("bind = \"10.30.0.2:802\"", "bind = \"127.0.0.1:9473\""),
            ("[metrics]\nbind = \"127.0.0.1:9473\"", "[metrics]\nbind = §\"127.0.0.1:9473\""),
        ],
        "another port",
    ),
    main("metrics_for_everybody", &[("\"127.0.0.1:9473\"", "§\"0.0.0.0:9473\"")], "127.0.0.1"),
    main(
        "write_into_safety",
        &[("[zones.cell-1]", "[zones.cell-1]\nsafety = true"), ("\"hmi write holding 40", "§\"hmi write holding 40")],
        "take the rule out",
    ),
    main(
        "untrusted_start",
        &[("[zones.site-ops]", "[zones.site-ops]\nuntrusted = true"), ("from = \"site-ops\"", "from = §\"site-ops\"")],
        "not untrusted",
    ),
    main(
        "wildcard_at_sl_3",
        &[
            ("level = 3\nsl_target = 2", "level = 3\nsl_target = 3"),
            ("\"spiffe://north-pumping/scada-1\"", "§\"spiffe://north-pumping/*\""),
        ],
        "one identity for each peer",
    ),
    main("tls_device_without_names", &[("\"10.10.1.20:502\"", "§\"tls:10.10.1.20:802\"")], "upstream_certificate"),
    main("serial_line", &[("\"10.10.1.20:502\"", "§\"serial:/dev/ttyS0\"")], "serial device server"),
    main("unit_zero_of_unknown_meaning", &[("units = [1]", "§units = [0, 1]")], "unit0 = "),
    main("unit_map_out_of_the_units", &[("units = [1]", "units = [1]\n§unit_map = { 255 = 2 }")], "units"),
    main(
        "ids_ignored_with_several_pending",
        &[
            ("idle_timeout = \"5m\"", "upstream_pending = 4"),
            ("units = [1]", "units = [1]\n§upstream_tid = \"ignore\""),
        ],
        "upstream_pending = 1",
    ),
    main(
        "functions_without_what_a_rule_needs",
        &[
            ("units = [1]", "units = [1]\nfunctions = [3, 5, 6]"),
            ("\"hmi write holding 42-43", "§\"hmi write holding 42-43"),
        ],
        "add [16]",
    ),
];

/// Sentences.
pub(super) const SENTENCES: &[Mistake] = &[
    main("values_from_above", &[("= 0..1500", "= §1500..0")], "write 0..1500"),
    main("addresses_from_above", &[("holding 0-99", "holding §99-0")], "write 0-99"),
    main("values_with_a_hyphen", &[("= 0..1500", "= §0-1500")], "write 0..1500"),
    main("addresses_with_dots", &[("holding 0-99", "holding §0..99")], "write 0-99"),
    main("address_past_the_end", &[("holding 0-99", "holding §0-65536")], "65535"),
    main(
        "modicon_number_too_small",
        &[("units = [1]", "units = [1]\naddressing = \"modicon\""), ("holding 0-99", "holding §0-99")],
        "40001",
    ),
    main("nobody_named", &[("\"hmi read holding", "\"§read holding")], "`any`"),
    main("function_code_for_a_class", &[("hmi read holding", "hmi §FC3 holding")], "read"),
    main("class_misspelt", &[("hmi read holding", "hmi §raed holding")], "`read`"),
    main("object_in_the_plural", &[("write coil 7", "write §coils 7")], "`coil`"),
    main("object_by_its_long_name", &[("read holding 0-99", "read §holding-register 0-99")], "`holding`"),
    main("write_of_an_input", &[("write coil 7 = off", "§write discrete 7 = off")], "`discrete` stands with: read"),
    main("coil_as_on_the_wire", &[("coil 6 = on", "coil 6 = §0xFF00")], "write on or off"),
    main("values_of_a_read", &[("viewer read holding 0-49", "viewer read holding 0-49 §= 1")], "leave the values out"),
    main("value_forgotten", &[("coil 7 = off always", "coil 7 = §always")], "= on"),
    main("fraction_without_a_type", &[("= 0..1500 step 100", "= 0..1500 step §0.5")], "as f32"),
    main("float_in_one_register", &[("holding 42-43", "holding §42")], "multiple of 2"),
    main("float_in_three_registers", &[("holding 42-43", "holding §42-44")], "multiple of 2"),
    main("list_of_the_wrong_length", &[("= -20.0..80.0 as f32 via 16", "§= [1, 2, 3]")], "2"),
    main("function_that_does_not_write_it", &[("as f32 via 16", "as f32 via §3")], "6, 16"),
    main(
        "always_with_a_range",
        &[("= off always", "= off always\",\n  \"hmi write holding 44 = 0..5 §always")],
        "one by one",
    ),
    main("clauses_out_of_order", &[("step 100 up max 6/min", "max 6/min §step 100 up")], "before `max`"),
    main("max_without_a_time", &[("max 6/min", "max §6")], "6/min"),
    main("max_in_a_day", &[("max 6/min", "max §6/day")], "/h"),
    main("unit_not_of_the_conduit", &[("\"viewer read holding 0-49", "§\"viewer read holding 0-49 unit 2")], "units"),
    main("ranges_with_a_blank", &[("holding 0-99", "holding 0 §- 99")], "without blanks"),
    main(
        "sentence_of_another_protocol",
        &[("viewer read holding 0-49", "viewer read §db1 0-49")],
        "one of: coil, discrete, input, holding",
    ),
    main("function_by_number", &[("viewer read holding 0-49", "viewer program function §16")], "write what it does"),
];

/// What loads, and is told all the same.
pub(super) const WARNINGS: &[Mistake] = &[
    main(
        "allowed_and_denied",
        &[
            ("\"any write holding 90-99\"", "\"any write holding 0-99\""),
            ("\"hmi write holding 40", "§\"hmi write holding 40"),
        ],
        "take one of them out",
    ),
    main(
        "rule_twice",
        &[("\"viewer read holding 0-49\",", "\"viewer read holding 0-49\",\n  §\"viewer read holding 0-49\",")],
        "take one of them out",
    ),
    main(
        "step_in_both_directions",
        &[("step 100 up max", "step 100 max"), ("\"hmi write holding 40", "§\"hmi write holding 40")],
        "`up`",
    ),
    main("reserved_unit", &[("units = [1]", "units = [1, §250]")], "1 to 247"),
    main(
        "no_revocation",
        &[("crl = \"pki/plant.crl\"\n", ""), ("[authorities.plant]", "[authorities.§plant]")],
        "crl = ",
    ),
    main(
        "may_vouch_for_all",
        &[
            ("names = [\"spiffe://north-pumping/*\", \"dns:*.north-pumping\"]\n", ""),
            ("[authorities.plant]", "[authorities.§plant]"),
        ],
        "names = [",
    ),
    main("several_pending", &[("idle_timeout = \"5m\"", "§upstream_pending = 4")], "1 is right"),
    main(
        "policy_unused",
        &[(
            "[budgets.starts]",
            "[policies.§pumps]\nprotocol = \"modbus\"\nallow = [\"hmi read coil 1\"]\n[budgets.starts]",
        )],
        "policies = [\"pumps\"]",
    ),
    main(
        "nobody_has_the_role",
        &[
            ("roles = [\"hmi\"]", "roles = []"),
            ("roles = [\"viewer\"]", "roles = []"),
            ("[conduits.pump-control]", "[conduits.§pump-control]"),
        ],
        "roles = ",
    ),
];
