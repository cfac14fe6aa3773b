//! Keys of Amazon API Gateway: the output of `aws apigateway get-api-keys --include-values`.

use latchkey_proto::v1;
use latchkey_proto::v1::imported_key::Secret;
use serde_json::Value;

use super::record::{flag, key, list, scalar, text, time};
use super::{FileKeys, incomplete};
use crate::exit::CliError;

pub(super) fn read(export: &Value) -> Result<FileKeys, CliError> {
    for field in ["NextToken", "position"] {
        if export.get(field).is_some_and(|token| !token.is_null()) {
            return Err(incomplete(field));
        }
    }
    let items = export.get("items").and_then(Value::as_array);
    let items = items.ok_or_else(|| CliError::Usage("the file has no list \"items\"".to_owned()))?;
    let mut found = FileKeys::default();
    for (n, item) in items.iter().enumerate() {
        found.add(format!("items[{n}]"), imported(item));
    }
    Ok(found)
}

fn imported(item: &Value) -> Result<v1::ImportedKey, String> {
    let value = text(item, "value").ok_or("has no \"value\": export with --include-values")?;
    let of = |field| text(item, field).unwrap_or_default().to_owned();
    let mut metadata = vec![
        ("aws.id".to_owned(), of("id")),
        ("aws.customer_id".to_owned(), of("customerId")),
        ("aws.description".to_owned(), of("description")),
        ("aws.stages".to_owned(), list(item, "stageKeys")),
    ];
    let tags = item.get("tags").and_then(Value::as_object).into_iter().flatten();
    metadata.extend(tags.filter_map(|(name, value)| Some((label(name), scalar(value)?))));
    let name = text(item, "name").or_else(|| text(item, "id")).unwrap_or("aws");
    let mut imported = key(Secret::Value(value.to_owned()), name, metadata);
    imported.create_time = time(item, "createdDate")?;
    imported.disabled = flag(item, "enabled")? == Some(false);
    Ok(imported)
}

/// Returns the name of a tag in the characters that names of metadata have.
fn label(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') { c } else { '_' };
    name.chars().map(plain).take(64).collect()
}
