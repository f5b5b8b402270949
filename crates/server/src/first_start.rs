//! What a person reads when the server has started.

use std::io::Write;

use domicile_app::accounts::registration_tokens::NewToken;
use domicile_core::{clock::DAY_MS, config::Config, config::RegistrationMode, ids::UserNum};

use crate::wire::Wired;

/// Tells where the server listens; at the first start, also how to make the first account and what to type into a client.
pub async fn tell(config: &Config, wired: &Wired, listens: &[String]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let address = if config.server.public_url.is_empty() {
        listens.first().map_or("(no listener)", String::as_str)
    } else {
        &config.server.public_url
    };
    let (users, _) = wired.admin.accounts.list(UserNum(0)).await?;
    if !users.is_empty() {
        writeln!(out, "Domicile serves {} at {}", config.server.name, listens.join(", "))?;
        return Ok(());
    }
    writeln!(out, "\nDomicile is running.\n")?;
    writeln!(out, "  Server name   {}", config.server.name)?;
    writeln!(out, "  Listens on    {}", listens.join(", "))?;
    writeln!(out, "  Data in       {}", config.server.data_dir)?;
    writeln!(out, "\nNobody has an account yet. Make the first one in either way:\n")?;
    if config.registration.mode == RegistrationMode::Token {
        let tokens = &wired.admin.registration_tokens;
        let open = tokens.list().await?.into_iter().find(|token| token.uses_allowed.is_none_or(|all| token.uses < all));
        let token = if let Some(token) = open {
            token
        } else {
            let new = NewToken { token: None, uses_allowed: Some(1), life_ms: Some(7 * DAY_MS) };
            tokens.add(new).await?
        };
        writeln!(out, "  - In a Matrix client, choose \"create account\", the homeserver")?;
        writeln!(out, "      {address}")?;
        writeln!(out, "    and, when it asks for a registration token (good once, for 7 days):")?;
        writeln!(out, "      {}", token.token)?;
    }
    if config.registration.mode == RegistrationMode::Open {
        writeln!(out, "  - In a Matrix client, choose \"create account\", the homeserver {address}")?;
    }
    writeln!(out, "  - Here, in another terminal:")?;
    writeln!(out, "      domicile user add alice          (or: cargo run --release -- user add alice)")?;
    writeln!(out, "    then log in with the client at {address}\n")?;
    writeln!(out, "Further tokens for your friends:   domicile token add")?;
    writeln!(out, "All settings:                      domicile config default\n")?;
    Ok(())
}
