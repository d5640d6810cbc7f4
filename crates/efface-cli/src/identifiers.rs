//! Identifiers on the command line. What is typed is never repeated in a message.

use std::convert::Infallible;

use anyhow::{Context as _, Result};
use clap::Args;
use efface_core::{ControllerId, Identifier, IdentifierKind, Provenance, subject::Value};

use crate::{exit::Failure, wiring::Context};

const WHO: &str = "Identifiers, each may be repeated";

/// Who the person is; each option may be repeated.
#[derive(Clone, Debug, Default, Args)]
pub struct IdentifierArgs {
    /// E-mail address
    #[arg(long, value_name = "ADDRESS", help_heading = WHO, value_parser = personal)]
    email: Vec<Value>,
    /// Telephone number, +<country><number>
    #[arg(long, value_name = "NUMBER", help_heading = WHO, value_parser = personal)]
    phone: Vec<Value>,
    /// Your own id for the person
    #[arg(long, value_name = "ID", help_heading = WHO, value_parser = personal)]
    user_id: Vec<Value>,
    /// Id of a visitor who never signed in
    #[arg(long, value_name = "ID", help_heading = WHO, value_parser = personal)]
    anonymous_id: Vec<Value>,
    /// Id of a device
    #[arg(long, value_name = "ID", help_heading = WHO, value_parser = personal)]
    device_id: Vec<Value>,
    /// Advertising id of a device
    #[arg(long, value_name = "ID", help_heading = WHO, value_parser = personal)]
    advertising_id: Vec<Value>,
    /// A vendor's own id for the person
    #[arg(long = "id", value_name = "vendor:NAMESPACE=VALUE", help_heading = WHO, value_parser = personal)]
    other: Vec<Value>,
}

/// Takes a text as personal: it cannot be printed by accident.
#[expect(clippy::unnecessary_wraps, reason = "the shape clap asks of a parser")]
pub fn personal(text: &str) -> Result<Value, Infallible> {
    Ok(Value::new(text))
}

impl IdentifierArgs {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plain().iter().all(|(_, _, values)| values.is_empty()) && self.other.is_empty()
    }

    fn plain(&self) -> [(&'static str, IdentifierKind, &[Value]); 6] {
        use IdentifierKind as K;
        [
            ("--email", K::Email, &self.email),
            ("--phone", K::Phone, &self.phone),
            ("--user-id", K::UserId, &self.user_id),
            ("--anonymous-id", K::AnonymousId, &self.anonymous_id),
            ("--device-id", K::DeviceId, &self.device_id),
            ("--advertising-id", K::AdvertisingId, &self.advertising_id),
        ]
    }

    /// Reads what was typed, as stated and not yet proved.
    ///
    /// # Errors
    /// Naming the option and what is wrong, never the text.
    pub fn read(&self, context: &Context, controller: &ControllerId) -> Result<Vec<Identifier>> {
        let region = default_region(context, controller)?;
        let mut read = vec![];
        for (option, kind, values) in self.plain() {
            for (n, value) in (1..).zip(values) {
                read.push(parse(option, n, kind.clone(), value.expose(), region)?);
            }
        }
        for (n, value) in (1..).zip(&self.other) {
            let (kind, text) = value.expose().split_once('=').ok_or_else(|| {
                Failure::usage(format!(
                    "--id (number {n}) is not of the form vendor:NAMESPACE=VALUE"
                ))
            })?;
            let kind =
                kind.parse().map_err(|e| Failure::usage(format!("--id (number {n}): {e}")))?;
            read.push(parse("--id", n, kind, text, region)?);
        }
        Ok(read)
    }

    /// As [`IdentifierArgs::read`], and at least one.
    ///
    /// # Errors
    /// When nothing was given, or it cannot be read.
    pub fn read_some(
        &self,
        context: &Context,
        controller: &ControllerId,
    ) -> Result<Vec<Identifier>> {
        if self.is_empty() {
            return Err(Failure::usage("no identifier: say who the person is")
                .hint("for example --email ada@example.org; several may be given")
                .into());
        }
        self.read(context, controller)
    }
}

/// The country assumed for numbers without one.
///
/// # Errors
/// When there is no such controller.
pub fn default_region<'a>(
    context: &'a Context,
    controller: &ControllerId,
) -> Result<Option<&'a str>> {
    let found = context.settings.controller(controller.as_str());
    Ok(found.context("--controller")?.default_phone_region.as_deref())
}

fn parse(
    option: &str,
    n: usize,
    kind: IdentifierKind,
    text: &str,
    region: Option<&str>,
) -> Result<Identifier> {
    let read = Identifier::parse(kind, text, Provenance::Stated, region);
    let place = if n > 1 { format!("{option} (number {n})") } else { option.to_owned() };
    Ok(read.map_err(|e| Failure::usage(format!("{place}: {e}")))?)
}
