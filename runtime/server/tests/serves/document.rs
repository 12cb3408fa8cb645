//! The document of the API: complete, and with a schema for what is sent.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::peer::serve;

#[tokio::test]
async fn the_document_says_for_every_path_how_it_is_refused_and_what_is_sent() {
    let served = serve(|_| {}).await;
    let document = served.get("/openapi.json").await.with(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let where_required = serde_json::to_value(pawl_server::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let mut ids = BTreeSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap();
            let place = format!("{method} {path}");
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{place}: its name is taken"
            );
            assert!(operation["summary"].is_string(), "{place} has no summary");
            assert!(answers.contains_key("421"), "{place}: another host is not described");
            // What anybody may have says so; all else names the scheme by which callers say who they are.
            let is_public = ["/healthz", "/readyz", "/a/{link}"].contains(&path.as_str());
            let scheme = if is_public { json!([]) } else { json!([{ "token": [] }, {}]) };
            assert_eq!(operation["security"], scheme, "{place}");
            // Where it is asked for, it may not be left away.
            let scheme = if is_public { json!([]) } else { json!([{ "token": [] }]) };
            assert_eq!(where_required["paths"][path][method]["security"], scheme, "{place}");
            if is_public {
                continue;
            }
            // Any of them may name a namespace that is not there.
            let mut expected = vec!["400", "401", "403", "404", "429", "503"];
            if method == "post" {
                expected.extend(["409", "413", "415", "422"]);
            }
            for status in expected {
                let refusal = &answers[status]["content"]["application/problem+json"];
                assert!(refusal["schema"]["$ref"].is_string(), "{place}: {status} is not described");
            }
            let schemas =
                answers.iter().filter(|(status, _)| status.starts_with('2')).map(|(_, answer)| answer);
            for answer in schemas {
                let content =
                    answer["content"].as_object().unwrap_or_else(|| panic!("{place}: nothing is sent"));
                assert!(content.values().all(|kind| kind["schema"] != Value::Null), "{place}");
            }
        }
    }
    let scheme = &document["components"]["securitySchemes"]["token"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
    let names = document["components"]["schemas"].as_object().unwrap();
    for name in ["Run", "RunDetail", "RunEvent", "Approval", "Problem", "Plugin"] {
        assert!(names[name]["properties"].is_object() || names[name]["allOf"].is_array(), "{name}");
    }
}

#[tokio::test]
async fn pages_for_people_are_there() {
    let served = serve(|_| {}).await;
    let page = served.get("/problems/already-decided").await;
    assert!(page.status == 200 && page.text.contains("A decision is taken once"), "{page:?}");
    served.get("/problems/none").await.refused(404, "no-such-path");
    let all = served.get("/problems").await.text;
    assert!(pawl_server::Code::ALL.iter().all(|code| all.contains(&format!("/problems/{}\"", code.name()))));
    assert!(served.get("/docs").await.text.contains("GET /v1/runs/{run}"));
}
