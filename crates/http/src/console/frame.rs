//! What is around every page of the console.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use domicile_app::Error;
use domicile_core::error::{ErrorKind, MatrixError};
use maud::{DOCTYPE, Markup, html};

use super::{HOME, visitor::Visitor};
use crate::pages::{Page, form, style_address};

/// The parts of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Overview,
    Alerts,
    Incidents,
    Demands,
    Standing,
    Dossiers,
    Blocklists,
    Probes,
    Regions,
    Moves,
    Arrivals,
    Audits,
    Ledger,
}

impl Part {
    const ALL: [Self; 13] = [
        Self::Overview,
        Self::Alerts,
        Self::Incidents,
        Self::Demands,
        Self::Standing,
        Self::Dossiers,
        Self::Blocklists,
        Self::Probes,
        Self::Regions,
        Self::Moves,
        Self::Arrivals,
        Self::Audits,
        Self::Ledger,
    ];

    fn name_and_address(self) -> (&'static str, &'static str) {
        match self {
            Self::Overview => ("Overview", HOME),
            Self::Alerts => ("Alerts", "/console/alerts"),
            Self::Incidents => ("Incidents", "/console/incidents"),
            Self::Demands => ("Demands", "/console/demands"),
            Self::Standing => ("Standing", "/console/standing"),
            Self::Dossiers => ("Dossiers", "/console/dossiers"),
            Self::Blocklists => ("Blocklists", "/console/blocklists"),
            Self::Probes => ("Probes", "/console/probes"),
            Self::Regions => ("Regions", "/console/regions"),
            Self::Moves => ("Moves", "/console/moves"),
            Self::Arrivals => ("Arrivals", "/console/arrivals"),
            Self::Audits => ("Audits", "/console/audits"),
            Self::Ledger => ("Ledger", "/console/ledger"),
        }
    }
}

/// A page of the console.
pub(super) fn page(visitor: &Visitor, part: Part, title: &str, content: &Markup) -> Page {
    Page::new(html! {
        (DOCTYPE)
        html lang="en" {
            (head(&format!("{title} · {}", visitor.service)))
            body {
                a.skip href="#content" { "To the content" }
                div.frame {
                    header.side {
                        p.service { (visitor.service) small { "region " (visitor.region.as_str()) } }
                        nav aria-label="Console" {
                            ul {
                                @for other in Part::ALL {
                                    @let (name, address) = other.name_and_address();
                                    li { a href=(address) aria-current=[(other == part).then_some("page")] { (name) } }
                                }
                            }
                        }
                        div.who {
                            p { (visitor.account.name) ", " (visitor.account.role.word()) }
                            form method="post" action="/console/logout" { (token(visitor)) button.quiet type="submit" { "Sign out" } }
                        }
                    }
                    main id="content" { h1 { (title) } (content) }
                }
            }
        }
    })
}

/// A page without the console around it.
pub(super) fn alone(title: &str, content: &Markup) -> Page {
    Page::new(html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body { div.alone { main { h1 { (title) } (content) } } }
        }
    })
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            title { (title) }
            link rel="stylesheet" href=(style_address(HOME));
        }
    }
}

/// What each form has in it, so that nobody else can make one.
pub(super) fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(form::TOKEN) value=(visitor.session.form_token()); }
}

/// What is wrong with what somebody filled in.
pub(super) fn refusal(error: Option<&MatrixError>) -> Markup {
    html! { @if let Some(error) = error { div.notice.bad role="alert" { p { (error.message) } } } }
}

/// A page that could not be shown.
#[derive(Debug)]
pub(super) struct Broken(Error);

impl<E: Into<Error>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl Broken {
    /// What somebody filled in wrongly, to be shown beside their form; anything else is a page of its own.
    pub(super) fn refused(error: Error) -> Result<MatrixError, Self> {
        match error {
            Error::Matrix(error) if error.kind.status() < 500 && error.kind != ErrorKind::NotFound => Ok(error),
            other => Err(Self(other)),
        }
    }
}

impl IntoResponse for Broken {
    fn into_response(self) -> Response {
        let (status, told) = match self.0 {
            Error::Matrix(error) => (error.kind.status(), error.message.into_owned()),
            other if other.is_closed() => (503, "The server is stopping: try again in a moment.".to_owned()),
            other => {
                tracing::error!(error = %other, "a page of the console failed");
                let told = "The server failed. Its log says why, under the x-request-id of this answer.";
                (500, told.to_owned())
            }
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let title = if status == StatusCode::NOT_FOUND { "There is no such page" } else { "That did not work" };
        let content = html! {
            div.notice.bad role="alert" { p { (told) } }
            p { a href=(HOME) { "To the overview" } }
        };
        alone(title, &content).with_status(status).into_response()
    }
}
