//! x
mod args { #[derive(Clone, Debug, Default)] pub struct GlobalArgs { pub config: Option<std::path::PathBuf>, pub json: bool } }
mod exit; mod print; mod ask; mod wiring;
fn main() {}
