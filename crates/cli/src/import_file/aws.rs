//! Keys of Amazon API Gateway: the output of `aws apigateway get-api-keys --include-values`.

use latchkey_proto::v1;
use latchkey_proto::v1::imported_key::Secret;
use serde_json::Value;

use super::record::{flag, key, list, scalar, text, time};
use super::{Change, FileKeys, incomplete};
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
        found.add_changed(format!("items[{n}]"), imported(item));
    }
    Ok(found)
}

fn imported(item: &Value) -> Result<(v1::ImportedKey, Vec<Change>), String> {
    let value = text(item, "value").ok_or("has no \"value\": export with --include-values")?;
    let of = |field| text(item, field).unwrap_or_default().to_owned();
    let mut metadata = vec![
        ("aws.id".to_owned(), of("id")),
        ("aws.customer_id".to_owned(), of("customerId")),
        ("aws.description".to_owned(), of("description")),
        ("aws.stages".to_owned(), list(item, "stageKeys")),
    ];
    let tags = item.get("tags").and_then(Value::as_object).into_iter().flatten();
    let mut renamed = Vec::new();
    for (tag, value) in tags.filter_map(|(tag, value)| Some((tag, scalar(value)?))) {
        let name = label(tag);
        if name != *tag {
            let field = format!("key.metadata.{name}");
            let description = format!(
                "is the tag {tag:?}: a name of metadata has at most {LONGEST_LABEL} letters, digits, '-', '.' and '_'"
            );
            renamed.push(Change { field, description });
        }
        metadata.push((name, value));
    }
    let name = text(item, "name").or_else(|| text(item, "id")).unwrap_or("aws");
    let (mut imported, mut changes) = key(Secret::Value(value.to_owned()), name, metadata);
    changes.extend(renamed);
    imported.create_time = time(item, "createdDate")?;
    imported.disabled = flag(item, "enabled")? == Some(false);
    Ok((imported, changes))
}

/// Most characters of a name of metadata.
const LONGEST_LABEL: usize = 64;

/// Returns the name of a tag in the characters that names of metadata have.
fn label(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') { c } else { '_' };
    name.chars().map(plain).take(LONGEST_LABEL).collect()
}
