//! An event as people read it: times and days as they are written, and a patient's data only where somebody asked for them.

use crate::time::{Date, Timestamp};
use serde_json::Value;

/// Stands where a patient's data are not shown.
pub const REDACTED: &str = "[redacted]";

/// Makes an event readable by its schema; `reveal` leaves fields that are a patient's as they are.
pub fn readable(event: &mut Value, schema: &Value, reveal: bool) {
    let (Some(event), Some(fields)) = (event.as_object_mut(), schema["fields"].as_array()) else { return };
    for field in fields {
        let Some(value) = field["name"].as_str().and_then(|name| event.get_mut(name)) else { continue };
        let kind = &field["type"];
        // Of a union with null the other one.
        let kind =
            kind.as_array().and_then(|kinds| kinds.iter().find(|kind| **kind != "null")).unwrap_or(kind);
        if field["phi"].as_bool().unwrap_or(false) && !reveal {
            if !value.is_null() {
                *value = Value::String(REDACTED.to_owned());
            }
        } else if let Value::Array(items) = value {
            items.iter_mut().for_each(|item| readable(item, &kind["items"], reveal));
        } else if let Some(number) = value.as_i64() {
            let day = || i32::try_from(number).map(|days| Date(days).to_string()).ok();
            let text = match kind["logicalType"].as_str() {
                Some("timestamp-micros") => Some(Timestamp(number).to_string()),
                Some("date") => day(),
                _ => None,
            };
            *value = text.map_or_else(|| value.take(), Value::String);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(reveal: bool, expected: Value) {
        let schema = json!({"fields": [
            {"name": "code", "type": "string"},
            {"name": "text", "phi": true, "type": ["null", "string"]},
            {"name": "none", "phi": true, "type": ["null", "string"]},
            {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
            {"name": "lines", "type": {"type": "array", "items": {"fields": [{"name": "of", "phi": true, "type": "string"}]}}},
        ]});
        let mut event = json!({"code": "a", "text": "b", "none": null, "at": 0, "lines": [{"of": "c"}]});
        readable(&mut event, &schema, reveal);
        assert_eq!(event, expected);
    }

    #[test]
    fn what_is_a_patients_is_shown_on_demand_only() {
        let at = "1970-01-01T00:00:00Z";
        let lines = json!([{"of": REDACTED}]);
        check(false, json!({"code": "a", "text": REDACTED, "none": null, "at": at, "lines": lines}));
        check(true, json!({"code": "a", "text": "b", "none": null, "at": at, "lines": [{"of": "c"}]}));
    }
}
