//! From characters to tokens.

use std::ops::Range;

use super::{ExpressionError, ExpressionErrorKind as Kind};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    /// A bare name.
    Name(String),
    /// A name that stood in quotes.
    Quoted(String),
    Plus,
    Minus,
    Star,
    Slash,
    /// `^` or `**`
    Power,
    Open,
    Close,
    Comma,
    AtMost,
    AtLeast,
    Less,
    Greater,
    /// `=` or `==`
    Equal,
}

/// A token and its place in the text, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) span: Range<usize>,
}

pub(super) fn lex(text: &str) -> Result<Vec<Lexeme>, ExpressionError> {
    let mut lexemes = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        if first.is_whitespace() {
            start += first.len_utf8();
            continue;
        }
        let (token, length) = lex_one(&text[start..], first)
            .map_err(|(kind, length)| ExpressionError::new(text, start..start + length, kind))?;
        lexemes.push(Lexeme { token, span: start..start + length });
        start += length;
    }
    Ok(lexemes)
}

/// Whether a name can stand without quotes.
pub(super) fn is_bare_name(name: &str) -> bool {
    name.starts_with(is_name_start) && name.chars().all(is_name_part)
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

/// Reads the token at the start of a text that is not empty; gives its length, or an error and
/// the length of its place.
fn lex_one(rest: &str, first: char) -> Result<(Token, usize), (Kind, usize)> {
    const SYMBOLS: [(&str, Token); 15] = [
        ("**", Token::Power),
        ("<=", Token::AtMost),
        (">=", Token::AtLeast),
        ("==", Token::Equal),
        ("^", Token::Power),
        ("+", Token::Plus),
        ("-", Token::Minus),
        ("*", Token::Star),
        ("/", Token::Slash),
        ("(", Token::Open),
        (")", Token::Close),
        (",", Token::Comma),
        ("<", Token::Less),
        (">", Token::Greater),
        ("=", Token::Equal),
    ];
    if let Some((symbol, token)) = SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol)) {
        return Ok((token.clone(), symbol.len()));
    }
    if is_name_start(first) {
        let length = rest.find(|c| !is_name_part(c)).unwrap_or(rest.len());
        return Ok((Token::Name(rest[..length].to_owned()), length));
    }
    match first {
        '"' | '\'' | '`' => lex_quoted(rest, first),
        '0'..='9' | '.' => {
            lex_number(rest).ok_or((Kind::UnexpectedCharacter { found: first }, 1))?
        }
        found => Err((Kind::UnexpectedCharacter { found }, found.len_utf8())),
    }
}

fn lex_quoted(rest: &str, quote: char) -> Result<(Token, usize), (Kind, usize)> {
    let mut name = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            if let Some((_, escaped)) = chars.next() {
                name.push(escaped);
            }
        } else if c != quote {
            name.push(c);
        } else if chars.next_if(|&(_, next)| next == quote).is_some() {
            name.push(quote);
        } else if name.is_empty() {
            return Err((Kind::EmptyName, at + 1));
        } else {
            return Ok((Token::Quoted(name), at + 1));
        }
    }
    // `""` reads as a doubled quote in an unclosed name.
    match rest[1..].starts_with(quote) {
        true => Err((Kind::EmptyName, 2)),
        false => Err((Kind::UnclosedQuote { quote }, 1)),
    }
}

/// Reads `1`, `.5`, `1.`, `1e-3`; `None` if there is no digit.
fn lex_number(rest: &str) -> Option<Result<(Token, usize), (Kind, usize)>> {
    let digits = |from: usize| {
        let bytes = &rest.as_bytes()[from..];
        from + bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut end = digits(0);
    let mut count = end;
    if rest[end..].starts_with('.') {
        let fraction = digits(end + 1);
        count += fraction - end - 1;
        end = fraction;
    }
    if count == 0 {
        return None;
    }
    if rest[end..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    let number: f64 = rest[..end].parse().expect("the grammar above is part of Rust's");
    Some(match number.is_finite() {
        true => Ok((Token::Number(number), end)),
        false => Err((Kind::NumberTooLarge, end)),
    })
}
