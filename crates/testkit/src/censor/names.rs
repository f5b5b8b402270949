//! Answers of name servers, true and forged.

use std::net::Ipv4Addr;

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType},
};

/// What is said of a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    /// It is there.
    At(Ipv4Addr),
    /// There is no such name.
    Nothing,
}

/// The answer to a question, if `say` knows the name (without the dot at its end, in small letters).
pub(super) fn answer(question: &[u8], say: impl Fn(&str) -> Option<Said>) -> Option<Vec<u8>> {
    let mut message = Message::from_vec(question).ok()?.into_response();
    let query = message.queries.first()?.clone();
    let name = query.name().to_ascii().to_lowercase();
    match (say(name.trim_end_matches('.'))?, query.query_type()) {
        (Said::At(address), RecordType::A) => {
            message.add_answer(Record::from_rdata(query.name().clone(), 60, RData::A(address.into())));
        }
        // The name is there, but has no such record.
        (Said::At(_), _) => {}
        (Said::Nothing, _) => message.metadata.response_code = ResponseCode::NXDomain,
    }
    message.to_vec().ok()
}
