//! Prints the OpenAPI document: `cargo run -p efface-api --example openapi`.

use std::io::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    writeln!(std::io::stdout(), "{}", efface_api::document().to_pretty_json()?)?;
    Ok(())
}
