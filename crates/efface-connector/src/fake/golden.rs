//! Golden bodies: what a vendor's documentation shows, held against what the connector says and reads.

use serde_json::Value;

use crate::{Reply, Request};

/// One documented exchange: `{"request": {"method", "path", "body"?}, "response": {"status",
/// "headers"?, "body"?}}`. A `body` is JSON, or a string for anything else.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden(Value);

impl Golden {
    /// # Errors
    /// When the file is not JSON.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map(Self).map_err(|error| format!("golden file: {error}"))
    }

    /// Holds a request against the documented one: method, path with query, and body.
    ///
    /// # Errors
    /// The first difference.
    pub fn matches(&self, request: &Request) -> Result<(), String> {
        let want = &self.0["request"];
        let url = request.url().map_err(|error| error.to_string())?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("{}{query}", url.path());
        same("method", &want["method"], &Value::from(request.method.as_str()))?;
        same("path", &want["path"], &Value::from(path))?;
        let body = request.body_text().map_or(Value::Null, |text| {
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
        });
        same("body", &want["body"], &body)
    }

    /// The documented response.
    #[must_use]
    pub fn reply(&self) -> Reply {
        let response = &self.0["response"];
        let status = response["status"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(0);
        let headers: Vec<(&str, &str)> = response["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| value.as_str().map(|value| (name.as_str(), value)))
            .collect();
        let body = match &response["body"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        Reply::made_up(status, &headers, &body)
    }
}

fn same(what: &str, want: &Value, got: &Value) -> Result<(), String> {
    if want == got { Ok(()) } else { Err(format!("{what}: documented {want}, built {got}")) }
}
