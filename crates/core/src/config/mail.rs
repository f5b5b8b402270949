//! The mail server that takes the operator's alerts.

use super::{Problem, Problems, Standing, section::section, value::choice};

choice! {
    /// How the connection to a mail server is kept from others.
    MailSecurity {
        /// TLS from the first byte (RFC 8314).
        Tls = "tls",
        /// TLS after STARTTLS (RFC 3207); without it nothing is sent.
        StartTls = "starttls",
        /// Nothing: only for a mail server on this machine.
        Plain = "none",
    }
}

section! {
    /// A mail server that takes what this server sends: alerts to those of `standing.alert_mail`, and nothing to users.
    Mail = "mail" {
        /// Its name, such as "mail.example.org". Empty: no mail is sent.
        server: String = String::new();
        /// Its port. 0: the usual one, which is 465 for `tls`, 587 for `starttls` and 25 for `none`.
        port: u32 = 0;
        /// `tls`, `starttls`, or `none` for a mail server on this machine.
        security: MailSecurity = MailSecurity::Tls;
        /// The user name there. Empty: nobody is asked for one.
        username: String = String::new();
        /// The password.
        @secret password: String = String::new();
        /// From whom mails come, such as "Domicile <domicile@example.org>".
        from: String = String::new();
    }
}

impl Mail {
    /// The port, where nobody named another one.
    pub fn port(&self) -> u16 {
        match (self.port, self.security) {
            (0, MailSecurity::Tls) => 465,
            (0, MailSecurity::StartTls) => 587,
            (0, MailSecurity::Plain) => 25,
            (port, _) => u16::try_from(port).unwrap_or_default(),
        }
    }

    /// What does not fit together. How addresses are written is checked where they are read.
    pub(super) fn check(&self, standing: &Standing, problems: &mut Problems) {
        let mut wrong = |key: &str, what: &str| problems.push(Problem::about(key, what.to_owned()));
        if self.server.is_empty() {
            if !standing.alert_mail.is_empty() {
                wrong("standing.alert_mail", "no mail server is named: set mail.server and mail.from");
            }
            return;
        }
        if self.from.is_empty() {
            wrong("mail.from", "say from whom mails come, such as \"Domicile <domicile@example.org>\"");
        }
        if self.port > u32::from(u16::MAX) {
            wrong("mail.port", "there are ports from 1 to 65535");
        }
        if self.username.is_empty() != self.password.is_empty() {
            wrong("mail.username", "a mail server wants `username` and `password`, or neither");
        }
        let is_here = self.server == "localhost"
            || self.server.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if self.security == MailSecurity::Plain && !is_here {
            wrong("mail.security", "`none` is for a mail server on this machine: others would read what is sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(mail: &Mail, alert_mail: &[&str]) -> Vec<String> {
        let standing = Standing {
            alert_mail: alert_mail.iter().map(|&address| address.to_owned()).collect(),
            ..Standing::default()
        };
        let mut problems = Problems::default();
        mail.check(&standing, &mut problems);
        problems.all().iter().map(|problem| problem.place.clone()).collect()
    }

    #[test]
    fn a_mail_server_is_named_whole() {
        let good = Mail { server: "mail.example.org".to_owned(), from: "a@example.org".to_owned(), ..Mail::default() };
        assert_eq!(wrong(&Mail::default(), &[]), Vec::<String>::new());
        assert_eq!(wrong(&Mail::default(), &["a@example.org"]), ["standing.alert_mail"]);
        assert_eq!(wrong(&good, &["a@example.org"]), Vec::<String>::new());
        assert_eq!(wrong(&Mail { from: String::new(), ..good.clone() }, &[]), ["mail.from"]);
        assert_eq!(wrong(&Mail { port: 70_000, ..good.clone() }, &[]), ["mail.port"]);
        assert_eq!(wrong(&Mail { password: "x".to_owned(), ..good.clone() }, &[]), ["mail.username"]);
        let plain = Mail { security: MailSecurity::Plain, ..good };
        assert_eq!(wrong(&plain, &[]), ["mail.security"]);
        for here in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(wrong(&Mail { server: here.to_owned(), ..plain.clone() }, &[]), Vec::<String>::new());
        }
        assert_eq!((plain.port(), Mail::default().port(), Mail { port: 2525, ..plain }.port()), (25, 465, 2525));
    }
}
