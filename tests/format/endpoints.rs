//! An endpoint that speaks of what isn't there is refused when its document is applied, line and reason told, so
//! that no call ever finds out.

use latchkey_testing::Setup;
use tonic::Code;

const DOCUMENT: &str = r#"
name = "kiosk"
[[kinds]]
name = "secret"
prefix = "ko_"
[[endpoints]]
method = "POST"
path = "/v1/keys/{shop}"
rpc = "CreateKey"
body = { name = "text", tags = "texts?" }
fields = { name = "{{ body.name }}", metadata = { shop = "{{ path.shop }}" } }
answer = '{"id":"{{ answer.key.id }}","key":"{{ answer.secret }}"}'
[[errors]]
codes = ["INVALID_ARGUMENT", "METHOD_NOT_ALLOWED"]
body = '{"error":"{{ message }}"}'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_names_what_is_not_there_is_refused_when_it_is_applied() {
    let latchkey = Setup::default().start();
    let operator = latchkey.operator();
    let _ = operator.apply(DOCUMENT).await.expect("as it stands it is in order");
    for (from, to, told) in [
        ("\"CreateKey\"", "\"MakeKey\"", "there is no RPC \"MakeKey\""),
        ("\"CreateKey\"", "\"SuspendTenant\"", "there is no RPC \"SuspendTenant\""),
        ("{ name = \"{{ body.name }}\"", "{ label = \"{{ body.name }}\"", "CreateKey has no field \"label\""),
        ("{{ body.name }}", "{{ body.nam }}", "templates know no \"body.nam\""),
        ("{{ path.shop }}", "{{ path.till }}", "templates know no \"path.till\""),
        ("{{ answer.secret }}", "{{ answer.hash }}", "templates know no \"answer.hash\""),
        ("\"texts?\"", "\"list\"", "\"list\" is none of"),
        ("/v1/keys/{shop}", "v1/keys", "path"),
        ("METHOD_NOT_ALLOWED", "TEAPOT", "\"TEAPOT\" is not a code"),
        ("method = \"POST\"", "method = \"PO ST\"", "is not a method"),
        ("answer = ", "reply = ", "the field \"answer\" is missing"),
    ] {
        let document = DOCUMENT.replacen(from, to, 1);
        assert_ne!(document, DOCUMENT, "{from}");
        let refused = operator.apply(&document).await.expect_err("it is refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(told) && refused.message().contains("line "), "{refused:?}");
    }
}
