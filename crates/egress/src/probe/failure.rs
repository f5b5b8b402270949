//! Failures of sockets, of encryption and of name servers, in the words of a measurement.

use std::io;

use domicile_residency::interference::Failure;
use hickory_resolver::{
    net::{DnsError, NetError},
    proto::op::ResponseCode,
};
use rustls::{CertificateError, Error as TlsError};

/// A failure of a socket.
pub(super) fn of_io(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::ConnectionRefused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Failure::ConnectionReset,
        io::ErrorKind::ConnectionAborted => Failure::ConnectionAborted,
        io::ErrorKind::UnexpectedEof => Failure::Eof,
        io::ErrorKind::TimedOut => Failure::Timeout,
        io::ErrorKind::HostUnreachable => Failure::HostUnreachable,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => Failure::NetworkUnreachable,
        io::ErrorKind::NetworkDown => Failure::NetworkDown,
        _ => Failure::other(error),
    }
}

/// A failure of a handshake, and the alert that ended it.
pub(super) fn of_handshake(error: &io::Error) -> (Failure, Option<String>) {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        Some(TlsError::AlertReceived(alert)) => (Failure::SslFailedHandshake, Some(format!("{alert:?}"))),
        Some(_) => (Failure::SslFailedHandshake, None),
        None => (of_io(error), None),
    }
}

/// Why a certificate is not good for a name.
pub(super) fn of_certificate(error: &TlsError) -> Failure {
    match error {
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Failure::SslInvalidHostname,
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => Failure::SslUnknownAuthority,
        _ => Failure::SslInvalidCertificate,
    }
}

/// A failure of a name server.
pub(super) fn of_dns(error: &NetError) -> Failure {
    match error {
        NetError::Timeout => Failure::Timeout,
        NetError::Io(error) => of_io(error),
        NetError::Dns(DnsError::NoRecordsFound(none)) => of_code(none.response_code),
        NetError::Dns(DnsError::ResponseCode(code)) => of_code(*code),
        NetError::Proto(_) | NetError::QueryCaseMismatch => Failure::DnsMisbehaving,
        NetError::RustlsError(error) => of_certificate(error),
        other => Failure::other(other),
    }
}

fn of_code(code: ResponseCode) -> Failure {
    match code {
        ResponseCode::NXDomain => Failure::DnsNxdomain,
        ResponseCode::NoError => Failure::DnsNoAnswer,
        ResponseCode::Refused => Failure::DnsRefused,
        ResponseCode::ServFail => Failure::DnsServfail,
        _ => Failure::DnsMisbehaving,
    }
}
