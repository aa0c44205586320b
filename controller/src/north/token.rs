//! Who may ask: with a token, whoever knows it.

use std::path::Path;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::api::problem;
use crate::Error;

/// Characters that a token must have at least: 128 bits in hex or base64 have more.
const SHORTEST: usize = 16;
/// And at most: longer ones do not fit a request's head with the rest.
const LONGEST: usize = 4096;

/// The hash of a bearer token (RFC 6750). That is all that is kept of it, and what is compared: in
/// a time that says nothing about how much of it was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(blake3::Hash);

impl Token {
    /// Reads a file that holds a token, and perhaps spaces and newlines around it.
    ///
    /// # Errors
    /// A file that cannot be read, and a token that is too short to be secret or cannot be said in
    /// a request.
    pub(crate) fn read(path: &Path) -> Result<Token, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        Token::of(text.trim()).map_err(|why| Error::Token { path: path.to_owned(), why })
    }

    fn of(token: &str) -> Result<Token, String> {
        // RFC 6750 2.1, `b64token`, but that `=` may stand anywhere.
        let sayable = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        match token.len() {
            0 => Err("it is empty".to_owned()),
            length if length < SHORTEST => {
                Err(format!("{length} characters can be guessed; {SHORTEST} are the least"))
            }
            length if length > LONGEST => Err(format!("it is longer than {LONGEST} characters")),
            _ if !token.bytes().all(sayable) => {
                Err("only letters, digits and -._~+/= may be in it".to_owned())
            }
            _ => Ok(Token(blake3::hash(token.as_bytes()))),
        }
    }

    /// Whether an `Authorization` header holds it.
    fn is_in(self, header: Option<&HeaderValue>) -> bool {
        let said = header.map(HeaderValue::as_bytes).unwrap_or_default();
        let Some((scheme, token)) = said.split_at_checked(7) else { return false };
        // Hashes are compared in constant time.
        scheme.eq_ignore_ascii_case(b"bearer ") && blake3::hash(token.trim_ascii()) == self.0
    }
}

/// Lets those through who know the token.
pub(super) async fn require(State(token): State<Token>, request: Request, next: Next) -> Response {
    if token.is_in(request.headers().get(header::AUTHORIZATION)) {
        return next.run(request).await;
    }
    let why = "this controller answers those who know its token: Authorization: Bearer TOKEN";
    let mut response = problem(StatusCode::UNAUTHORIZED, why);
    let challenge = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_some_length_and_can_be_said() {
        for (token, why) in [
            ("", "empty"),
            ("0123456789abcde", "15 characters"),
            (&"x".repeat(LONGEST + 1), "longer"),
            ("0123456789abcdef g", "only letters"),
            ("0123456789abcdefä", "only letters"),
        ] {
            let error = Token::of(token).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
        assert!(Token::of("0123456789abcdef").is_ok());
    }

    #[test]
    fn only_the_whole_token_is_let_through() {
        let token = Token::of("0123456789abcdef").expect("a token");
        for (header, passes) in [
            ("Bearer 0123456789abcdef", true),
            ("bearer   0123456789abcdef ", true),
            ("Bearer 0123456789abcde", false),
            ("Bearer 0123456789abcdefg", false),
            ("Basic 0123456789abcdef", false),
            ("Bearer", false),
            ("", false),
        ] {
            let value = HeaderValue::from_str(header).expect("a header");
            assert_eq!(token.is_in(Some(&value)), passes, "{header}");
        }
        assert!(!token.is_in(None));
    }
}
