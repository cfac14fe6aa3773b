//! Services, messages and enums of `latchkey.v1` with their comments, from the descriptors that the build generates
//! of the `.proto` files.

use std::collections::HashMap;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};

/// Field numbers of messages, enums and services in a file's descriptor, and of members in each of these.
const MESSAGES: i32 = 4;
const ENUMS: i32 = 5;
const SERVICES: i32 = 6;
const MEMBERS: i32 = 2;

/// Service, message or enum with its members.
pub(crate) struct Item<T> {
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) members: Vec<T>,
}

/// RPC of a service.
pub(crate) struct Rpc {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) request: String,
    pub(crate) response: String,
    pub(crate) docs: String,
}

/// Field of a message.
pub(crate) struct Field {
    pub(crate) name: String,
    /// "repeated ", "optional " or empty.
    pub(crate) label: &'static str,
    /// Name of a scalar, "map<…>", or the name of a message or enum.
    pub(crate) kind: String,
    /// Name of the `oneof` that the field belongs to.
    pub(crate) one_of: Option<String>,
    pub(crate) docs: String,
}

/// Value of an enum.
pub(crate) struct Value {
    pub(crate) name: String,
    pub(crate) number: i32,
    pub(crate) docs: String,
}

/// Contract, in the order of the files.
#[derive(Default)]
pub(crate) struct Contract {
    pub(crate) services: Vec<Item<Rpc>>,
    pub(crate) messages: Vec<Item<Field>>,
    pub(crate) enums: Vec<Item<Value>>,
}

impl Contract {
    pub(crate) fn read() -> Self {
        let set = FileDescriptorSet::decode(latchkey_proto::FILE_DESCRIPTOR_SET)
            .expect("the build generates a valid descriptor set");
        let mut contract = Self::default();
        for file in set.file.iter().filter(|file| file.package() == "latchkey.v1") {
            let comments = Comments::of(file);
            let numbered = |count: usize| (0..).take(count);
            for (n, service) in numbered(file.service.len()).zip(&file.service) {
                contract.services.push(service_of(service, n, &comments));
            }
            for (n, message) in numbered(file.message_type.len()).zip(&file.message_type) {
                contract.messages.push(message_of(message, n, &comments));
            }
            for (n, descriptor) in numbered(file.enum_type.len()).zip(&file.enum_type) {
                contract.enums.push(enum_of(descriptor, n, &comments));
            }
        }
        contract
    }

    /// Returns the RPCs, fields and enum values without a comment. Values with the number 0 need none.
    pub(crate) fn undocumented(&self) -> Vec<String> {
        let rpcs = self.services.iter().flat_map(|s| s.members.iter().map(|r| (&s.name, &r.name, &r.docs)));
        let fields = self.messages.iter().flat_map(|m| m.members.iter().map(|f| (&m.name, &f.name, &f.docs)));
        let values = self
            .enums
            .iter()
            .flat_map(|e| e.members.iter().filter(|v| v.number != 0).map(|v| (&e.name, &v.name, &v.docs)));
        let all = rpcs.chain(fields).chain(values);
        all.filter(|(_, _, docs)| docs.is_empty()).map(|(of, name, _)| format!("{of}.{name}")).collect()
    }
}

/// Comments of a file, by the path of the documented element.
struct Comments<'a>(HashMap<&'a [i32], &'a str>, &'a FileDescriptorProto);

impl<'a> Comments<'a> {
    fn of(file: &'a FileDescriptorProto) -> Self {
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        let comments = locations.map(|location| (location.path.as_slice(), location.leading_comments()));
        Self(comments.collect(), file)
    }

    /// Returns the comment of an element in one line.
    fn at(&self, path: &[i32]) -> String {
        let lines = self.0.get(path).copied().unwrap_or_default().lines().map(str::trim);
        lines.collect::<Vec<_>>().join(" ").trim().to_owned()
    }
}

/// Returns a name without its package.
fn short_name(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_owned()
}

fn service_of(service: &ServiceDescriptorProto, n: i32, comments: &Comments<'_>) -> Item<Rpc> {
    let rpcs = (0..).zip(&service.method).map(|(m, method)| Rpc {
        name: method.name().to_owned(),
        path: format!("/{}.{}/{}", comments.1.package(), service.name(), method.name()),
        request: short_name(method.input_type()),
        response: short_name(method.output_type()),
        docs: comments.at(&[SERVICES, n, MEMBERS, m]),
    });
    Item { name: service.name().to_owned(), docs: comments.at(&[SERVICES, n]), members: rpcs.collect() }
}

fn message_of(message: &DescriptorProto, n: i32, comments: &Comments<'_>) -> Item<Field> {
    let fields = (0..).zip(&message.field).map(|(m, field)| {
        let map = message.nested_type.iter().find(|nested| {
            nested.options.as_ref().is_some_and(prost_types::MessageOptions::map_entry)
                && field.type_name().ends_with(&format!(".{}", nested.name()))
        });
        let optional = field.proto3_optional();
        let choice = field.oneof_index.filter(|_| !optional).and_then(|at| usize::try_from(at).ok());
        let label = match (map, optional, field.label()) {
            (None, true, _) => "optional ",
            (None, false, Label::Repeated) => "repeated ",
            _ => "",
        };
        Field {
            name: field.name().to_owned(),
            label,
            kind: map.map_or_else(|| kind(field), entries),
            one_of: choice.map(|at| message.oneof_decl[at].name().to_owned()),
            docs: comments.at(&[MESSAGES, n, MEMBERS, m]),
        }
    });
    Item { name: message.name().to_owned(), docs: comments.at(&[MESSAGES, n]), members: fields.collect() }
}

fn enum_of(descriptor: &EnumDescriptorProto, n: i32, comments: &Comments<'_>) -> Item<Value> {
    let values = (0..).zip(&descriptor.value).map(|(m, value)| Value {
        name: value.name().to_owned(),
        number: value.number(),
        docs: comments.at(&[ENUMS, n, MEMBERS, m]),
    });
    Item { name: descriptor.name().to_owned(), docs: comments.at(&[ENUMS, n]), members: values.collect() }
}

fn entries(entry: &DescriptorProto) -> String {
    format!("map<{}, {}>", kind(&entry.field[0]), kind(&entry.field[1]))
}

fn kind(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => short_name(field.type_name()),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}
