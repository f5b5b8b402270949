//! What holds of every measurement.

use proptest::prelude::*;

use super::*;

fn any_failure() -> impl Strategy<Value = Option<Failure>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Failure::Timeout)),
        1 => Just(Some(Failure::ConnectionReset)),
        1 => Just(Some(Failure::NetworkUnreachable)),
        1 => Just(Some(Failure::DnsNxdomain)),
    ]
}

fn any_address() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(TRUE), Just(FORGED), Just("[2001:db8::1]:443"), Just("10.0.0.1:443")]
}

prop_compose! {
    fn any_measurement()(
        names in prop::collection::vec((0..5_usize, 0..3_u8, any_address(), any_failure()), 0..8),
        connects in prop::collection::vec((any_address(), any_failure()), 0..8),
        handshakes in prop::collection::vec((any_address(), 0..3_usize, any_failure(), any::<bool>(), any::<bool>()), 0..10),
        requests in prop::collection::vec((any::<bool>(), any::<u16>(), any::<bool>(), ".{0,40}"), 0..5),
        rates in prop::collection::vec(any::<u64>(), 0..4),
    ) -> Measurement {
        let transports = [Transport::System, Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https];
        let snis = [Sni::Real, Sni::Neutral, Sni::None];
        Measurement {
            dns: names.into_iter().map(|(transport, attempt, address, failure)| {
                dns(transports[transport], attempt, failure.map_or(Ok(address), Err))
            }).collect(),
            tcp: connects.into_iter().map(|(address, failure)| tcp(address, failure)).collect(),
            tls: handshakes.into_iter().map(|(address, sni, failure, answered, good)| {
                let mut made = if good { tls(address, snis[sni], failure) } else { foreign(address, snis[sni]) };
                made.answered |= answered;
                made
            }).collect(),
            http: requests.into_iter().map(|(secure, status, expected, title)| {
                HttpRequest { title: Some(title), ..asked(secure, status, expected) }
            }).collect(),
            downloads: rates.into_iter().map(fetched).collect(),
            ..well()
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_measured_has_a_verdict_with_reasons(seen in any_measurement(), works in any::<bool>(), past in prop::collection::vec(any::<(i64, u64, u64)>(), 0..5)) {
        let past: Vec<Past> = past.into_iter().map(|(at_ms, rate, control_rate)| Past { at_ms, rate, control_rate }).collect();
        for outside in [None, Some(outside(works))] {
            let verdict = judge(&seen, &control(), outside.as_ref(), &past);
            prop_assert!(!verdict.evidence.is_empty());
            prop_assert!(verdict.evidence.iter().all(|said| said.len() < 1_000 && !said.contains('\n')));
        }
    }

    #[test]
    fn nobody_is_accused_where_the_control_fails(seen in any_measurement(), works in any::<bool>()) {
        for control in [down_network(), Control::default()] {
            let verdict = judge(&seen, &control, Some(&outside(works)), &[]);
            prop_assert!(!verdict.kind.is_interference(), "{verdict:?}");
        }
    }

    /// A network that loses packets makes each step slow now and then; never all of three, while everything beside them goes well.
    #[test]
    fn loss_accuses_nobody(lost in prop::collection::vec(prop::bool::weighted(0.4), 12), works in any::<bool>()) {
        let failure = |at: usize| lost[at].then_some(Failure::Timeout);
        let mut seen = well();
        seen.dns = (0..2_u8).map(|attempt| dns(Transport::System, attempt, failure(usize::from(attempt)).map_or(Ok(TRUE), Err))).collect();
        seen.dns.extend([dns(Transport::Https, 0, failure(2).map_or(Ok(TRUE), Err)), dns(Transport::System, 2, Ok(TRUE))]);
        seen.tcp = (3..5).map(|at| tcp(TRUE, failure(at))).chain([tcp(TRUE, None)]).collect();
        seen.tls = (5..7).map(|at| tls(TRUE, Sni::Real, failure(at))).chain((7..9).map(|at| tls(TRUE, Sni::Neutral, failure(at)))).collect();
        seen.http.clear();
        let mut beside = control();
        beside.tcp = (9..12).map(|at| tcp(CONTROL, failure(at))).collect();
        let verdict = judge(&seen, &beside, Some(&outside(works)), &[]);
        prop_assert!(!verdict.kind.is_interference() && verdict.kind != Kind::NetworkDown, "{verdict:?}");
    }

    #[test]
    fn a_verdict_survives_being_written_down(seen in any_measurement()) {
        let text = serde_json::to_string(&seen).unwrap();
        let read: Measurement = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(judge(&read, &control(), None, &[]), judge(&seen, &control(), None, &[]));
    }
}
