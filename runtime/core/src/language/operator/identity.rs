//! Whose tokens the server takes, beside those that pawl makes itself.

use super::{Key, Place, Shape};

/// An issuer of tokens.
pub static IDENTITY: Place = Place {
    name: "identity",
    what: "identity",
    keys: &[
        Key::required(
            "issuer",
            Shape::Text,
            "What the claim `iss` of its tokens says.",
            "https://login.example.com",
        ),
        Key::required(
            "audience",
            Shape::Text,
            "What the claim `aud` must have in it: tokens that were made for others are refused.",
            "pawl",
        ),
        Key::verb(
            "jwks_url",
            Shape::Text,
            "Where its keys are fetched from, over `https`, or over `http` from this machine. A token with a key that is not known has them fetched again.",
            "",
            "https://login.example.com/.well-known/jwks.json",
        ),
        Key::verb(
            "jwks_file",
            Shape::Text,
            "A file with its keys, relative to this one.",
            "",
            "issuer.jwks.json",
        ),
        Key::optional(
            "algorithms",
            Shape::OneOrMore(&Shape::OneOf(&["RS256", "ES256", "EdDSA"])),
            "How its tokens may be signed.",
            "[ES256]",
        )
        .default("[RS256, ES256, EdDSA]"),
        Key::optional(
            "claims",
            Shape::Map(&IDENTITY_CLAIMS),
            "Which claims say who somebody is.",
            "{ name: email, roles: realm_access.roles }",
        )
        .default("{}"),
        Key::optional(
            "roles",
            Shape::Named(&Shape::OneOf(&["viewer", "operator", "approver", "admin"])),
            "What the issuer calls the roles, beside their own names.",
            "{ pawl-admins: admin }",
        )
        .default("{}"),
    ],
    shared: &[],
};

/// Which claims say who somebody is.
pub static IDENTITY_CLAIMS: Place = Place {
    name: "identity-claims",
    what: "claims",
    keys: &[
        Key::optional("name", Shape::Text, "Who it is: `ann` is `user:ann`.", "email").default("sub"),
        Key::optional(
            "roles",
            Shape::Text,
            "Their roles, a list or a text with spaces.",
            "realm_access.roles",
        )
        .default("roles"),
        Key::optional("groups", Shape::Text, "Their groups: `finance` is `group:finance`.", "teams")
            .default("groups"),
        Key::optional("namespace", Shape::Text, "The namespace that they are bound to.", "tenant")
            .otherwise("`default`; an admin is for all of them"),
    ],
    shared: &[],
};
